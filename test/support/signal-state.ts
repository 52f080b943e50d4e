// Committed Signal state in memory, as a database would keep it.
import type { AccountId } from '../../src/model/ids.ts';
import type {
  OneTimePreKey,
  PeerDevice,
  SignalChange,
  SignalIdentity,
  SignalReads,
  SignedPreKey,
} from '../../src/model/signal.ts';
import type { PeerTrust } from '../../src/model/trust.ts';
import { peerKey } from '../../src/whatsapp/signal/work.ts';

export class CommittedState implements SignalReads {
  own: SignalIdentity | undefined;
  readonly sessions = new Map<string, Uint8Array>();
  readonly trusts = new Map<string, PeerTrust>();
  readonly preKeys = new Map<number, OneTimePreKey>();
  signed: SignedPreKey[] = [];

  commit(changes: readonly SignalChange[]): void {
    for (const change of changes) {
      switch (change.change) {
        case 'signal.identity':
          this.own = change.identity;
          break;
        case 'signal.session':
          if (change.record) this.sessions.set(peerKey(change.peer), change.record);
          else this.sessions.delete(peerKey(change.peer));
          break;
        case 'signal.pre-keys':
          for (const key of change.keys) this.preKeys.set(key.id, key);
          break;
        case 'signal.pre-key-used':
          this.preKeys.delete(change.id);
          break;
        case 'signal.signed-pre-key':
          this.signed.unshift(change.key);
          break;
        case 'signal.signed-pre-key-expired':
          this.signed = this.signed.filter((key) => key.id !== change.id);
          break;
        case 'peer.trust':
          this.trusts.set(peerKey(change.peer), change.trust);
          break;
      }
    }
  }
  identity = async () => this.own;
  session = async (of: PeerDevice) => this.sessions.get(peerKey(of));
  preKey = async (_: AccountId, id: number) => this.preKeys.get(id);
  signedPreKey = async (_: AccountId, id: number) => this.signed.find((key) => key.id === id);
  signedPreKeys = async () => this.signed;
  peerTrust = async (of: PeerDevice) => this.trusts.get(peerKey(of));
}
