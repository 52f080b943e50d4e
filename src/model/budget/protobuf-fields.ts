// The metadata budget inside the encryption: every protobuf field that we set, by the message in which it stands.
import type {
  AudioMessage,
  ContextInfo,
  DocumentMessage,
  ExtendedTextMessage,
  FutureProofMessage,
  ImageMessage,
  LocationMessage,
  Message,
  MessageKey,
  ProtocolMessage,
  ReactionMessage,
  ServerErrorReceipt,
  StickerMessage,
  VideoMessage,
} from '../../proto/message_pb.ts';
import type {
  AppVersion,
  ClientPayload,
  HandshakeMessage,
  HandshakeMessage_ClientFinish,
  HandshakeMessage_ClientHello,
  InteropData,
  UserAgent,
} from '../../proto/wire_pb.ts';
import type { Disclosure } from './recipients.ts';

/** What we write, by its name in the package `whatsapp.v1`. */
interface Written {
  Message: Message;
  ExtendedTextMessage: ExtendedTextMessage;
  LocationMessage: LocationMessage;
  ImageMessage: ImageMessage;
  VideoMessage: VideoMessage;
  AudioMessage: AudioMessage;
  DocumentMessage: DocumentMessage;
  StickerMessage: StickerMessage;
  FutureProofMessage: FutureProofMessage;
  ContextInfo: ContextInfo;
  ReactionMessage: ReactionMessage;
  ProtocolMessage: ProtocolMessage;
  MessageKey: MessageKey;
  ServerErrorReceipt: ServerErrorReceipt;
  HandshakeMessage: HandshakeMessage;
  'HandshakeMessage.ClientHello': HandshakeMessage_ClientHello;
  'HandshakeMessage.ClientFinish': HandshakeMessage_ClientFinish;
  ClientPayload: ClientPayload;
  InteropData: InteropData;
  UserAgent: UserAgent;
  AppVersion: AppVersion;
}

type FieldOf<Of> = Exclude<keyof Of, '$typeName' | '$unknown'>;

/** Fields of one message that are disclosed together: a name that it does not have does not compile. */
export type ProtobufFields = Omit<Disclosure, 'fields'> &
  { [Name in keyof Written]: { readonly in: Name; readonly fields: readonly FieldOf<Written[Name]>[] } }[keyof Written];

const toContact = ['contact'] as const;
const words = { to: toContact, purpose: 'what the user writes', content: true } as const;
const kind = { to: toContact, purpose: 'what kind of message it is' } as const;
const answers = { to: toContact, purpose: 'which message it answers' } as const;
const shape = { to: toContact, purpose: 'how large or long it is, and how it is played' } as const;
const preview = { to: toContact, purpose: 'a preview that the user’s client has made', content: true } as const;
const file = {
  to: toContact,
  purpose: 'where the file lies encrypted, the key to it, and by what it is known to be whole',
} as const;
const place = ['url', 'directPath', 'mediaKey', 'mediaKeyTimestamp'] as const;
const whole = ['fileSha256', 'fileEncSha256', 'fileLength', 'mimetype'] as const;

/** Inside the end-to-end encryption, for the contact alone. */
export const messageFields: readonly ProtobufFields[] = [
  { in: 'Message', fields: ['conversation'], ...words },
  {
    in: 'Message',
    fields: [
      'extendedTextMessage',
      'locationMessage',
      'imageMessage',
      'videoMessage',
      'audioMessage',
      'documentMessage',
      'documentWithCaptionMessage',
      'stickerMessage',
      'reactionMessage',
      'protocolMessage',
    ],
    ...kind,
  },
  { in: 'FutureProofMessage', fields: ['message'], ...kind },
  { in: 'ExtendedTextMessage', fields: ['text'], ...words },
  { in: 'ExtendedTextMessage', fields: ['contextInfo'], ...answers },
  { in: 'LocationMessage', fields: ['degreesLatitude', 'degreesLongitude', 'name', 'accuracyInMeters'], ...words },
  { in: 'LocationMessage', fields: ['contextInfo'], ...answers },
  { in: 'ImageMessage', fields: ['caption'], ...words },
  { in: 'ImageMessage', fields: [...place, ...whole], ...file },
  { in: 'ImageMessage', fields: ['width', 'height'], ...shape },
  { in: 'ImageMessage', fields: ['jpegThumbnail'], ...preview },
  { in: 'ImageMessage', fields: ['contextInfo'], ...answers },
  { in: 'VideoMessage', fields: ['caption'], ...words },
  { in: 'VideoMessage', fields: [...place, ...whole], ...file },
  { in: 'VideoMessage', fields: ['width', 'height', 'seconds', 'gifPlayback'], ...shape },
  { in: 'VideoMessage', fields: ['jpegThumbnail'], ...preview },
  { in: 'VideoMessage', fields: ['contextInfo'], ...answers },
  { in: 'AudioMessage', fields: [...place, ...whole], ...file },
  { in: 'AudioMessage', fields: ['seconds', 'ptt', 'waveform'], ...shape },
  { in: 'AudioMessage', fields: ['contextInfo'], ...answers },
  { in: 'DocumentMessage', fields: ['caption', 'fileName', 'title'], ...words },
  { in: 'DocumentMessage', fields: [...place, ...whole], ...file },
  { in: 'DocumentMessage', fields: ['jpegThumbnail'], ...preview },
  { in: 'DocumentMessage', fields: ['contextInfo'], ...answers },
  { in: 'StickerMessage', fields: [...place, ...whole], ...file },
  { in: 'StickerMessage', fields: ['width', 'height', 'isAnimated'], ...shape },
  { in: 'StickerMessage', fields: ['contextInfo'], ...answers },
  { in: 'ContextInfo', fields: ['stanzaId', 'participant'], ...answers },
  { in: 'ContextInfo', fields: ['quotedMessage'], to: toContact, purpose: 'the words that it answers', content: true },
  { in: 'ReactionMessage', fields: ['text'], ...words },
  {
    in: 'ReactionMessage',
    fields: ['key', 'senderTimestampMs'],
    to: toContact,
    purpose: 'to which message somebody has reacted, and when',
  },
  { in: 'ProtocolMessage', fields: ['editedMessage'], ...words },
  {
    in: 'ProtocolMessage',
    fields: ['key', 'type', 'timestampMs'],
    to: toContact,
    purpose: 'which message is edited or deleted, and when it was edited',
  },
  {
    in: 'MessageKey',
    fields: ['remoteJid', 'fromMe', 'id'],
    to: toContact,
    purpose: 'names a message of this chat: its id, the chat, whether the user wrote it',
  },
  {
    in: 'ServerErrorReceipt',
    fields: ['stanzaId'],
    to: toContact,
    purpose: 'of which message the network has dropped the file',
  },
];

const noise = { to: ['network'], purpose: 'keys of the connection; what follows is encrypted' } as const;
const alike = { to: ['network'], purpose: 'what every client says of itself; the same for all users' } as const;

/** The handshake, and what stands encrypted in it. */
export const connectionFields: readonly ProtobufFields[] = [
  { in: 'HandshakeMessage', fields: ['clientHello', 'clientFinish'], ...noise },
  { in: 'HandshakeMessage.ClientHello', fields: ['ephemeral'], ...noise },
  { in: 'HandshakeMessage.ClientFinish', fields: ['static', 'payload'], ...noise },
  {
    in: 'ClientPayload',
    fields: ['passive', 'pull', 'product', 'connectType', 'connectReason', 'userAgent'],
    ...alike,
  },
  { in: 'UserAgent', fields: ['platform', 'appVersion', 'releaseChannel'], ...alike },
  { in: 'AppVersion', fields: ['primary', 'secondary', 'tertiary'], ...alike },
  { in: 'ClientPayload', fields: ['interopData'], to: ['network'], purpose: 'that it is a third party’s connection' },
  {
    in: 'InteropData',
    fields: ['accountId', 'token', 'enableReadReceipts'],
    to: ['network'],
    purpose: 'whose connection it is, and the proof of it; whether this server offers read receipts',
  },
];
