// The metadata budget of the homeserver: every request that is made to it. One that is not here does not compile, one with more in it is refused.

export interface MatrixRequestEntry {
  readonly purpose: string;
  /** What stands in the query, besides what stands in every one (`everyRequest`). */
  readonly query?: string;
  /** What stands in the body. A name allows what is below it, unless that is named: `a/b`. */
  readonly body?: string;
  /** Fields of the body that are ciphertext or words of people: content, not metadata. */
  readonly content?: string;
}

/** In the query of whatever is asked as a user of ours; in the headers nothing but the token of the registration and the type of the body. */
export const everyRequest = 'user_id device_id org.matrix.msc3202.device_id';

const encrypted = `algorithm ciphertext device_id sender_key session_id m.relates_to`;

/** Below `/_matrix/client/v3/`, unless the path is whole. */
export const matrixRequests = {
  'GET account/whoami': { purpose: 'whether the homeserver is there and knows us' },
  'POST /_matrix/client/v1/appservice/{service}/ping': {
    body: 'transaction_id',
    purpose: 'whether the homeserver reaches us',
  },
  'POST register': {
    body: 'type username inhibit_login',
    purpose: 'makes a ghost or the bot; the name of a ghost is a random id of our own',
  },
  'PUT devices/{device}': { body: 'display_name', purpose: 'makes the device of a ghost; the name is always the same' },
  'DELETE devices/{device}': { body: '', purpose: 'removes the device of a ghost that nobody needs any more' },
  'GET profile/{user}/displayname': { purpose: 'the display name of a user who opts in' },
  'PUT profile/{user}/displayname': {
    body: 'displayname',
    purpose: 'the name of a contact, as they chose it, with the name of the network',
  },
  'PUT profile/{user}/avatar_url': { body: 'avatar_url', purpose: 'the picture of a contact, if `contacts.pictures`' },
  'POST createRoom': {
    body: `visibility name topic is_direct invite creation_content/m.federate creation_content/type
      creation_content/matrix-appservice-whatsapp.account
      initial_state/type initial_state/state_key initial_state/content/algorithm initial_state/content/join_rule
      initial_state/content/guest_access initial_state/content/history_visibility initial_state/content/bridgebot
      initial_state/content/creator initial_state/content/protocol/id initial_state/content/protocol/displayname
      initial_state/content/channel/id initial_state/content/channel/displayname power_level_content_override`,
    purpose:
      'the room of a chat: which user has one, on which network; its name only where the user has given the contact one. The Space of a user who wants one, with the random id of the account',
  },
  'GET joined_rooms': {
    purpose: 'finds a room or a Space that was made before a crash; the rooms of somebody who is erased',
  },
  'POST join/{room}': {
    body: '',
    query: 'via server_name',
    purpose: 'the bot takes an invitation, or goes into a policy room or the moderation room',
  },
  'GET directory/room/{alias}': { purpose: 'which room a policy room is that was asked for by an alias' },
  'GET rooms/{room}/state': { purpose: 'the rules of a policy room; of the rest nothing is kept' },
  'POST rooms/{room}/invite': { body: 'user_id', purpose: 'invites a user to their chat again' },
  'POST rooms/{room}/leave': { body: '', purpose: 'a ghost or the bot goes' },
  'POST rooms/{room}/kick': {
    body: 'user_id',
    purpose: 'takes back the invitation to a chat that the user has declined; takes a user out of a Space that goes',
  },
  'GET rooms/{room}/members': {
    purpose: 'who hears what is said in a room, the moderation room included; whether the user is still there',
  },
  'GET rooms/{room}/state/{type}/{key}': {
    purpose: 'whether a room is encrypted, and which chat or whose Space it is',
  },
  'PUT rooms/{room}/state/m.room.name/': { body: 'name', purpose: 'the name that a user has given to a contact' },
  'PUT rooms/{room}/state/m.space.child/{child}': {
    body: 'via order',
    purpose: 'which chats are in the Space of a user, and in which order they began',
  },
  'GET rooms/{room}/messages': {
    purpose:
      'whether an event is there whose sending was cut off; what the homeserver has not pushed of a chat, where it may have been restarted',
    query: 'dir limit filter',
  },
  'GET rooms/{room}/context/{event}': {
    query: 'limit filter',
    purpose:
      'what stands before an event of a chat and has not been pushed, where the homeserver may have been restarted',
  },
  'GET rooms/{room}/event/{event}': {
    purpose:
      'what a reply quotes or a user reports, and whether a deletion has been carried out; nothing of it is kept',
  },
  'PUT rooms/{room}/send/m.room.encrypted/{txn}': {
    body: encrypted,
    content: 'ciphertext',
    query: 'ts',
    purpose:
      'messages and notices, and of those that come late when they were written; reports, in the moderation room. Inside the encryption each message of a contact carries its id and time on the network, a hash of what the network brought, and a tag (`matrix-appservice-whatsapp.proof`). Which event a reply or an edit is about stands outside the encryption, as everywhere in Matrix',
  },
  'PUT rooms/{room}/send/m.room.message/{txn}': {
    body: 'msgtype body matrix-appservice-whatsapp.notice',
    content: 'body',
    purpose: 'what the bot says in a room that is not encrypted; it names no contact and repeats no message',
  },
  'PUT rooms/{room}/send/m.reaction/{txn}': {
    body: 'm.relates_to',
    purpose: 'reactions of contacts, and delivery marks where the user wants them: plain in Matrix by nature',
  },
  'PUT rooms/{room}/redact/{event}/{txn}': { body: '', purpose: 'deletions by contacts' },
  'POST rooms/{room}/receipt/m.read/{event}': { body: '', purpose: 'how far a contact has read' },
  'PUT rooms/{room}/typing/{user}': { body: 'typing timeout', purpose: 'that a contact types' },
  'GET sync': { query: 'timeout set_presence filter since', purpose: 'messages to devices that were not pushed' },
  'PUT sendToDevice/{type}/{txn}': {
    body: 'messages',
    content: 'messages',
    purpose:
      'room keys, encrypted for each device of the user; an empty message of the bot to itself, which shows whether everything before it was pushed',
  },
  'POST keys/upload': { body: 'device_keys one_time_keys fallback_keys', purpose: 'public keys of a ghost’s device' },
  'POST keys/device_signing/upload': {
    body: 'master_key self_signing_key user_signing_key',
    purpose: 'public keys of a ghost’s cross-signing identity',
  },
  'POST keys/signatures/upload': { body: '*', purpose: 'signatures of a ghost over its own keys' },
  'POST keys/query': { body: 'timeout device_keys', purpose: 'the devices and the identity of a user in a chat' },
  'POST keys/claim': { body: 'timeout one_time_keys', purpose: 'a key of each device of the user, to begin a session' },
  'GET /_matrix/client/v1/media/config': { purpose: 'the largest file that the homeserver takes' },
  'GET /_matrix/media/v3/config': { purpose: 'the same, for older homeservers' },
  'POST /_matrix/media/v3/upload': {
    purpose:
      'files of contacts and pictures of safety numbers, encrypted, without name or type; profile pictures, which are not encrypted. The size is seen',
  },
  'GET /_matrix/client/v1/media/download/{server}/{media}': { purpose: 'files that users send, encrypted' },
  'GET /_matrix/media/v3/download/{server}/{media}': { purpose: 'the same, for older homeservers' },
} as const satisfies Readonly<Record<string, MatrixRequestEntry>>;

export type MatrixEndpoint = keyof typeof matrixRequests;
