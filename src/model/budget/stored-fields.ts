// The metadata budget of the disk: every column of the database, how it stands there, and what ends it.

/** When something goes, and what sees to it. */
export const retentions = {
  installation: 'as long as the installation',
  rotation: 'until its time is over; rotation removes it (`provider.key_rotation_days`)',
  account: 'with the account: `opt-out`, `erase`',
  contact: 'with the contact, when no account has a chat with them any more',
  chat: 'with the chat, so with the account or the contact',
  session: 'until the key is used up or replaced, at most with the account',
  ghost: 'with the ghost, when no account has a chat with its contact any more',
  policyRoom: 'until nobody subscribes to the room any more',
  departure: 'until the homeserver and the network have agreed to the opt-out',
  erasure: 'until the erasure is done',
  limit: 'until the time of the limit is over (`limits.*.per_s`), at most with the account or the contact',
  answer: 'until the question is answered, `delivery.retention_days` where the user has no account, or `erase`',
  commands: 'while the room is that of an account, and `delivery.retention_days` after it was used last; `erase`',
  user: '`delivery.retention_days` beyond opt-out, so that a swapped identity is noticed when the user comes back, or until `erase`',
  said: 'text until it is sent, at most `delivery.retention_days`; ids for `delivery.retention_days` more',
  reported:
    'what was chosen until it is passed on; when it was for `delivery.retention_days` more; at most with the account',
  consent: 'until `erase`, which leaves one entry without a name',
  delivered: 'content until it is delivered or given up; ids for `delivery.retention_days` more',
  hosted: 'until the file has expired (`media.keep_days`), is deleted, or with the account',
  asked: 'until the message has come or its user has been told that it will not, at most with the chat',
  settled: '`delivery.retention_days` after it was dealt with',
} as const;

export interface StoredTable {
  readonly file: 'store' | 'crypto journal';
  readonly holds: string;
  readonly kept: keyof typeof retentions;
  /** Columns that stand there in plain: ids, times, states. */
  readonly plain: string;
  /** Columns that can be read with the key of their owner alone. */
  readonly sealed?: string;
  /** Columns that hold keyed hashes: what is known can be found, and nothing be read. */
  readonly hashed?: string;
}

export const storedTables: Readonly<Record<string, StoredTable>> = {
  setting: {
    file: 'store',
    holds:
      'a random id of this installation; the device of the bot; where its content was moved to, and as which copy; a copy that is not finished',
    kept: 'installation',
    plain: 'name value',
  },
  data_key: {
    file: 'store',
    holds: 'the keys that everything sealed is sealed with, wrapped by the master key',
    kept: 'account',
    plain: 'id',
    sealed: 'wrapped',
  },
  account: {
    file: 'store',
    holds: 'who has opted in, the room for the bot, how the network calls them, since when and whether it is paused',
    kept: 'account',
    plain: 'id network user management_room created_at paused active_at',
    sealed: 'enlistment',
  },
  preference: {
    file: 'store',
    holds: 'what the user has switched on, who may reach them, and whether their chats are in a Space',
    kept: 'account',
    plain: 'account read_receipts typing delivery_marks reach arrangement',
  },
  limit_use: {
    file: 'store',
    holds: 'how much of its rate limits an account or a contact has used, and all together: numbers',
    kept: 'limit',
    plain: 'name scope subject points until',
  },
  departure: {
    file: 'store',
    holds: 'an opt-out that the network has still to be told of',
    kept: 'departure',
    plain: 'account network user management_room attempts',
    sealed: 'interop_account',
  },
  departing_chat: {
    file: 'store',
    holds: 'rooms that a ghost has still to leave',
    kept: 'departure',
    plain: 'account room contact',
  },
  departing_space: {
    file: 'store',
    holds: 'a Space that the bot has still to leave',
    kept: 'departure',
    plain: 'account room',
  },
  space: { file: 'store', holds: 'the Space of a user’s chats', kept: 'account', plain: 'account state room' },
  space_child: {
    file: 'store',
    holds: 'what is in it, in the order in which the chats began',
    kept: 'account',
    plain: 'account room position put',
  },
  erasure: {
    file: 'store',
    holds: 'who is being erased, and their rooms with the bot',
    kept: 'erasure',
    plain: 'user rooms',
  },
  pending_command: {
    file: 'store',
    holds: 'what the bot has asked the user',
    kept: 'answer',
    plain: 'user idle_since',
    sealed: 'command',
  },
  user_trust: {
    file: 'store',
    holds: 'the pinned cross-signing identity of a user',
    kept: 'user',
    plain: 'user idle_since',
    sealed: 'master_key seen',
  },
  consent_record: {
    file: 'store',
    holds: 'whose consent is on record',
    kept: 'consent',
    plain: 'id',
    sealed: 'user',
    hashed: 'hash',
  },
  consent_entry: {
    file: 'store',
    holds: 'what somebody was shown, agreed to and took back, and when',
    kept: 'consent',
    plain: 'record position',
    sealed: 'entry',
    hashed: 'mac',
  },
  consent_page: { file: 'store', holds: 'where each record ends', kept: 'consent', plain: 'page', sealed: 'links' },
  consent_head: {
    file: 'store',
    holds: 'what the pages must be',
    kept: 'installation',
    plain: 'id',
    sealed: 'digests',
  },
  contact: {
    file: 'store',
    holds: 'a person on the network under a random id; the name they chose',
    kept: 'contact',
    plain: 'seq id network',
    sealed: 'name',
  },
  contact_address: {
    file: 'store',
    holds: 'their phone number and hidden ids',
    kept: 'contact',
    plain: 'network contact position',
    sealed: 'address',
    hashed: 'hash',
  },
  contact_look: {
    file: 'store',
    holds: 'whose names look alike',
    kept: 'contact',
    plain: 'id contact',
    hashed: 'hash',
  },
  contact_picture: {
    file: 'store',
    holds: 'which picture the homeserver has; when to look again',
    kept: 'contact',
    plain: 'contact shown looked_at due_at failures',
    sealed: 'uploaded',
  },
  ghost: {
    file: 'store',
    holds: 'the Matrix user that stands for a contact; its display name',
    kept: 'ghost',
    plain: 'contact actor user device ready',
    sealed: 'display_name',
  },
  portal: {
    file: 'store',
    holds:
      'who has a chat with whom, its room, the name that the user gave, whether they let the contact in, as which of their chats it began, since when it waits for a decision of theirs',
    kept: 'chat',
    plain:
      'id account contact room labelled acceptance request_number requested_at asked_again dropped position inbox_held_since outbox_held_since',
    sealed: 'given_name',
  },
  portal_visitor: {
    file: 'store',
    holds: 'who else is in the room of a chat, and whether the user allows it',
    kept: 'chat',
    plain: 'portal user allowed',
  },
  room_key_use: {
    file: 'store',
    holds: 'how far each room key of the user has been used, against replays',
    kept: 'chat',
    plain: 'portal session used',
  },
  command_key_use: {
    file: 'store',
    holds: 'the same of what was said to the bot',
    kept: 'commands',
    plain: 'room session used used_at',
  },
  block: {
    file: 'store',
    holds: 'whom the user has blocked, as they wrote it, and when',
    kept: 'account',
    plain: 'id account created_at',
    sealed: 'label',
  },
  block_pattern: {
    file: 'store',
    holds: 'by what a blocked contact is known',
    kept: 'account',
    plain: 'account block',
    hashed: 'hash',
  },
  policy_room: {
    file: 'store',
    holds: 'a policy room, and those of its rules that can be about somebody on this server',
    kept: 'policyRoom',
    plain: 'room state',
    sealed: 'rules',
  },
  policy_subscription: {
    file: 'store',
    holds: 'who subscribes to a policy room, as they named it, and since when',
    kept: 'account',
    plain: 'id account room created_at',
    sealed: 'name',
  },
  reading: {
    file: 'store',
    holds: 'how far each side has read: positions',
    kept: 'chat',
    plain: 'portal user_read confirmed contact_read contact_shown',
  },
  delivery_mark: {
    file: 'store',
    holds: 'messages that are to be marked as arrived',
    kept: 'chat',
    plain: 'portal event',
  },
  device_list: {
    file: 'store',
    holds: 'which devices a contact has, and what vouches for them',
    kept: 'chat',
    plain: 'contact account',
    sealed: 'list',
  },
  peer_trust: {
    file: 'store',
    holds: 'pinned identity keys of contacts, and which the user has compared',
    kept: 'chat',
    plain: 'contact account device',
    sealed: 'key seen verified',
  },
  signal_identity: {
    file: 'store',
    holds: 'the account’s identity key',
    kept: 'account',
    plain: 'account registration_id next_pre_key_id',
    sealed: 'key_pair',
  },
  signal_session: {
    file: 'store',
    holds: 'ratchets',
    kept: 'chat',
    plain: 'contact account device',
    sealed: 'record',
  },
  signal_pre_key: { file: 'store', holds: 'one-time keys', kept: 'session', plain: 'account id', sealed: 'record' },
  signal_signed_pre_key: {
    file: 'store',
    holds: 'signed keys',
    kept: 'session',
    plain: 'account id created_at',
    sealed: 'record',
  },
  inbox: {
    file: 'store',
    holds:
      'messages of contacts and notices on their way to Matrix. Ids of notices stay with the chat: a reply to one is never relayed',
    kept: 'delivered',
    plain: 'id account portal message_id device timestamp notice state failure event_id settled_at since',
    sealed: 'body event file',
  },
  decrypt_failure: {
    file: 'store',
    holds: 'which messages could not be decrypted, how often',
    kept: 'asked',
    plain: 'id portal message_id device count settled_at',
  },
  outbox: {
    file: 'store',
    holds:
      'messages of users on their way to the network, and until their devices have confirmed (`delivery.receipt_wait_days`)',
    kept: 'delivered',
    plain:
      'id account portal event message_id created_at state failure waiting_for retries settled_at retry_for confirmed hosted',
    sealed: 'payload stanza file',
  },
  message_reference: {
    file: 'store',
    holds: 'which event is which message: ids',
    kept: 'settled',
    plain: 'id portal message_id from_user event room sent_at settled_at',
  },
  message_part: {
    file: 'store',
    holds: 'further events of long messages: ids',
    kept: 'settled',
    plain: 'id portal message_id event settled_at',
  },
  message_reaction: {
    file: 'store',
    holds: 'who reacted to what: ids, not with what',
    kept: 'settled',
    plain: 'id portal message_id from_user by_user event settled_at',
  },
  homeserver_transaction: {
    file: 'store',
    holds: 'what the homeserver pushed, against doubles',
    kept: 'delivered',
    plain: 'id transaction_id settled_at',
    sealed: 'body',
  },
  matrix_event: {
    file: 'store',
    holds: 'events that the homeserver pushed, against doubles',
    kept: 'delivered',
    plain: 'id event_id room settled_at late_since',
    sealed: 'event',
  },
  bot_message: {
    file: 'store',
    holds: 'what the bot has to say, and has said',
    kept: 'said',
    plain: 'id room key released idle_since settled_at confidential',
    sealed: 'text event',
  },
  report: {
    file: 'store',
    holds: 'that a user has passed messages on to the moderators, and when; until that is done which, and why',
    kept: 'reported',
    plain: 'id account state made_at settled_at',
    sealed: 'chosen sending',
  },
  hosted_file: {
    file: 'store',
    holds: 'files in `media.directory` that the network may fetch: encrypted, under random names',
    kept: 'hosted',
    plain: 'name account size expires_at',
  },
  signing_key: {
    file: 'store',
    holds: 'the keys with which we vouch for our users',
    kept: 'rotation',
    plain: 'kid created_at',
    sealed: 'key',
  },
  journal_key: {
    file: 'crypto journal',
    holds: 'the keys of the stores of ghosts and bot (`data_key` in a file), wrapped by the master key',
    kept: 'ghost',
    plain: 'id',
    sealed: 'wrapped',
  },
  journal_schema: {
    file: 'crypto journal',
    holds: 'how those stores are built',
    kept: 'ghost',
    plain: 'actor database schema',
  },
  journal_row: {
    file: 'crypto journal',
    holds:
      'their keys, sealed by the crypto library. In plain among its own keys: the Matrix IDs of users whose devices are followed, until `erase` or the ghost goes',
    kept: 'ghost',
    plain: 'actor database store key',
    sealed: 'value',
  },
  journal_sync_token: {
    file: 'crypto journal',
    holds: 'up to where messages to devices were fetched (`sync_token` in a file)',
    kept: 'ghost',
    plain: 'actor token',
  },
};
