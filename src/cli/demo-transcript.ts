// What the demo's conversation came to: each message as both sides have it, and how each chat is labelled.
import type { Message } from '../demo/matrix-user.ts';

export interface MatrixSide {
  readonly eventId: string;
  readonly sender: string;
  readonly encrypted: boolean;
  /** What the user's client decrypted; absent where it could not, for the reason in `decryptionFailure`. */
  readonly text?: string;
  readonly decryptionFailure?: string;
  /** What Element would show on the message. */
  readonly shield: Message['shield'];
  /** The sender's devices as the user's client knows them. */
  readonly senderDevices: readonly { readonly deviceId: string; readonly crossSigned: boolean }[];
}

export interface WhatsAppSide {
  readonly messageId: string;
  /** What the phone decrypted or sent. */
  readonly text?: string;
  /** As the phone has it: queued, sent, delivered or read. */
  readonly status: string;
}

export interface MessageRecord {
  readonly direction: 'to-matrix' | 'to-whatsapp';
  readonly firstContact: boolean;
  readonly roomId: string;
  readonly from: string;
  readonly to: string;
  readonly text: string;
  readonly matrix: MatrixSide;
  readonly whatsapp: WhatsAppSide;
  /** From sending it to having it decrypted on the other side, in milliseconds. */
  readonly latencyMs: number;
}

export interface RoomRecord {
  readonly roomId: string;
  readonly phone: string;
  readonly label: {
    /** What clients call the chat: the room's name, or the ghost's where it has none. */
    readonly chat: string;
    /** The display name of the contact's ghost. */
    readonly ghost: string;
    readonly topic: string;
    readonly firstNotice: string;
  };
}

export interface Transcript {
  readonly rooms: RoomRecord[];
  readonly messages: MessageRecord[];
}

/** Why a message does not count as delivered; empty where it does. */
export function problems({ direction, text, matrix, whatsapp }: MessageRecord): string[] {
  const { shield, senderDevices } = matrix;
  const checks: readonly (readonly [boolean, string])[] = [
    [matrix.text === text, `not read on Matrix (${matrix.decryptionFailure ?? 'another text'})`],
    [whatsapp.text === text, 'not read on WhatsApp'],
    [matrix.encrypted, 'not encrypted on Matrix'],
    [shield.color === 'none', `a ${shield.color} shield on Matrix (${shield.reason ?? 'no reason given'})`],
    [
      senderDevices.length > 0 && senderDevices.every(({ crossSigned }) => crossSigned),
      'sent by a device that its owner has not cross-signed',
    ],
    [
      direction === 'to-whatsapp' || ['delivered', 'read'].includes(whatsapp.status),
      `only ${whatsapp.status} for the phone that sent it`,
    ],
  ];
  return checks.filter(([holds]) => !holds).map(([, problem]) => problem);
}
