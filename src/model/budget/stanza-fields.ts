// The metadata budget of the chat protocol: every tag and attribute that we send, and what goes into the enlistment.
import type { Disclosure } from './recipients.ts';

const keys = 'public keys, by which contacts begin an encrypted session';

/** Paths of tags; `@` is an attribute. A path without one allows the tag and bytes in it. */
export const stanzaFields: readonly Disclosure[] = [
  {
    fields:
      'message message@id message@to message@type message@edit message/participants message/participants/to message/participants/to@jid',
    to: ['network', 'contact'],
    purpose:
      'a message: its id, to whom, to which of their devices, whether it is text, file or reaction, an edit or a deletion',
  },
  { fields: 'message@device_fanout', to: ['network'], purpose: 'says that a repeated message is for one device' },
  {
    fields:
      'message/participants/to/enc@v message/participants/to/enc@type message/participants/to/enc@mediatype message/participants/to/enc@decrypt-fail message/enc@v message/enc@type message/enc@mediatype message/enc@decrypt-fail message/enc@count',
    to: ['network', 'contact'],
    purpose: 'how a message is encrypted, what kind of file it describes, whether it is shown when it cannot be read',
  },
  {
    fields: 'message/participants/to/enc message/enc',
    to: ['contact'],
    purpose: 'the message itself, encrypted',
    content: true,
  },
  {
    fields: 'receipt receipt@id receipt@to receipt@type receipt@t receipt/list receipt/list/item receipt/list/item@id',
    to: ['network', 'contact'],
    purpose: 'that messages have arrived; that they were read, only where the user has switched it on',
  },
  {
    fields:
      'receipt/retry receipt/retry@count receipt/retry@id receipt/retry@t receipt/retry@v receipt/registration receipt/keys',
    to: ['network', 'contact'],
    purpose: 'asks for a message again that could not be decrypted',
  },
  {
    fields:
      'receipt/keys/type receipt/keys/identity receipt/keys/key receipt/keys/key/id receipt/keys/key/value receipt/keys/skey receipt/keys/skey/id receipt/keys/skey/value receipt/keys/skey/signature',
    to: ['network', 'contact'],
    purpose: keys,
  },
  {
    fields:
      'receipt/encrypt receipt/encrypt/enc_p receipt/encrypt/enc_iv receipt/rmr receipt/rmr@jid receipt/rmr@from_me',
    to: ['network', 'contact'],
    purpose: 'asks for a file again that the network has dropped',
  },
  {
    fields: 'chatstate chatstate@to chatstate/composing chatstate/paused',
    to: ['network', 'contact'],
    purpose: 'that the user types, only where they have switched it on',
  },
  {
    fields: 'presence presence@type',
    to: ['network', 'contact'],
    purpose: 'that the user is there, only with typing switched on',
  },
  {
    fields: 'ack ack@class ack@id ack@to ack@type ack@participant ack@recipient ack@error',
    to: ['network'],
    purpose: 'that a stanza has been stored here, or is not understood',
  },
  {
    fields: 'iq iq@id iq@to iq@type iq@xmlns',
    to: ['network'],
    purpose: 'a request to the network, and answers to its own',
  },
  {
    fields: 'iq/ping iq/active iq/count',
    to: ['network'],
    purpose: 'keeps the connection, asks for what waits, counts our one-time keys',
  },
  {
    fields:
      'iq/registration iq/type iq/identity iq/list iq/list/key iq/list/key/id iq/list/key/value iq/skey iq/skey/id iq/skey/value iq/skey/signature iq/rotate iq/rotate/skey iq/rotate/skey/id iq/rotate/skey/value iq/rotate/skey/signature',
    to: ['network'],
    purpose: keys,
  },
  {
    fields: 'iq/key iq/key/user iq/key/user@jid',
    to: ['network'],
    purpose: 'asks for the keys of a device that is to be written to',
  },
  {
    fields:
      'iq/usync iq/usync@sid iq/usync@mode iq/usync@last iq/usync@index iq/usync@context iq/usync/query iq/usync/query/devices iq/usync/query/devices@version iq/usync/query/lid iq/usync/query/contact iq/usync/list iq/usync/list/user iq/usync/list/user@jid iq/usync/list/user/contact',
    to: ['network'],
    purpose:
      'looks up one person whom the user writes to: the phone number that they typed, or an address; never an address book',
  },
  {
    fields: 'iq@target iq/picture iq/picture@type iq/picture@query iq/picture@id',
    to: ['network'],
    purpose: 'asks for the picture of a contact, if `contacts.pictures`',
  },
  {
    fields:
      'iq/spam_list iq/spam_list@spam_flow iq/spam_list@jid iq/spam_list/message iq/spam_list/message@from iq/spam_list/message@t iq/spam_list/message@id',
    to: ['network'],
    purpose:
      'which messages of whom a user reports: ids and times, not what is in them; only with `networks.*.reports`, and after the user has said yes',
  },
];

/** Of the enlistment (HTTPS, JSON) and of the tokens in it and at each connection. */
export const enlistmentFields: readonly Disclosure[] = [
  { fields: 'identifier displayName', to: ['network', 'contact'], purpose: 'who opts in: Matrix ID and display name' },
  { fields: 'registrationId identityKey signedPreKey preKeys', to: ['network'], purpose: keys },
  {
    fields: 'token.iss token.sub token.aud token.iat token.exp token.jti token.purpose token.account_id',
    to: ['network'],
    purpose: 'proof that the user belongs to this server: their Matrix ID, for one purpose, for minutes',
  },
];
