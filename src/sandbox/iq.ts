// Answers a client's questions (iq): its keys and other people's, who exists, keep-alive.
import { isUserJid, type Jid, SERVER } from '../model/jid.ts';
import {
  attribute,
  children,
  requireAttribute,
  requireBytes,
  requireChild,
  requireJid,
  type Stanza,
  StanzaError,
  stanza,
} from '../whatsapp/binary/index.ts';
import { clientQueries } from './client-queries.ts';
import type { Account } from './directory.ts';
import { bundleContent, integerBytes, keysContent, readKey, readSignedKey } from './key-stanzas.ts';
import { type Network, type Outcome, type Sender, seconds } from './network.ts';
import { announceFewPreKeys, announceIdentityChange } from './notifications.ts';
import { answerPicture } from './pictures.ts';
import { type Device, signatureHolds } from './pre-keys.ts';
import { answerUsync } from './usync.ts';

interface Answer {
  readonly content?: readonly Stanza[];
  readonly reached?: readonly Device[];
  readonly leaving?: Device;
}

type Question = (network: Network, sender: Sender, iq: Stanza) => Answer | 'bad-request' | 'not-found';

const MAX_USERS = 1_000;

/** By namespace, type and the tag of the first child. */
const questions = new Map<string, Question>([
  [
    'encrypt get count',
    (network, { device }) => ({ content: [stanza('count', { value: network.preKeys.count(device) })] }),
  ],
  ['encrypt get key', fetchKeys],
  ['encrypt get digest', digest],
  ['encrypt set registration', uploadKeys],
  ['encrypt set rotate', rotateKey],
  ['md set remove-companion-device', logOut],
  [
    'usync get usync',
    (network, sender, iq) => ({ content: [answerUsync(network, sender.account, requireChild(iq, 'usync'))] }),
  ],
  ['w:profile:picture get picture', askPicture],
  ['spam set spam_list', takeReport],
  ['w:p get ', () => ({})],
  ['w:p get ping', () => ({})],
  ...[...clientQueries].map(([name, query]): [string, Question] => [
    name,
    (network, _sender, iq) => ({ content: query(network, iq) }),
  ]),
]);

export function answerIq(network: Network, sender: Sender, iq: Stanza): Outcome {
  const type = requireAttribute(iq, 'type');
  if (type !== 'get' && type !== 'set') return { answers: [], reached: [] };
  const id = requireAttribute(iq, 'id');
  const [first] = children(iq);
  const question = questions.get(`${attribute(iq, 'xmlns') ?? ''} ${type} ${first?.tag ?? ''}`);
  const result = question ? ask(question, network, sender, iq) : type === 'set' ? {} : 'not-found';
  if (typeof result === 'string') return { answers: [iqError(id, result)], reached: [] };
  const answer = stanza('iq', { from: SERVER, type: 'result', id }, result.content);
  return { answers: [answer], reached: result.reached ?? [], leaving: result.leaving };
}

function ask(question: Question, network: Network, sender: Sender, iq: Stanza): ReturnType<Question> {
  try {
    return question(network, sender, iq);
  } catch (error) {
    if (error instanceof StanzaError) return 'bad-request';
    throw error;
  }
}

function iqError(id: string, what: 'bad-request' | 'not-found'): Stanza {
  const [code, text] = what === 'bad-request' ? [400, 'bad-request'] : [404, 'item-not-found'];
  return stanza('iq', { from: SERVER, type: 'error', id }, [stanza('error', { code, text })]);
}

function uploadKeys(network: Network, { account, device }: Sender, iq: Stanza): Answer | 'bad-request' {
  const identityKey = requireBytes(requireChild(iq, 'identity'), 32);
  const registrationId = Buffer.from(requireBytes(requireChild(iq, 'registration'), 4)).readUInt32BE();
  const signedPreKey = readSignedKey(requireChild(iq, 'skey'));
  const preKeys = children(requireChild(iq, 'list'), 'key').map(readKey);
  if (preKeys.some(({ id }) => id === 0) || !signatureHolds(identityKey, signedPreKey)) return 'bad-request';
  // A companion's identity key is what its account has vouched for: another one would be another device.
  const before = device.device === 0 ? undefined : network.preKeys.keys(device);
  if (before && !Buffer.from(before.identityKey).equals(identityKey)) return 'bad-request';
  const { identityChanged } = network.preKeys.upload(device, { registrationId, identityKey, signedPreKey }, preKeys);
  return { reached: identityChanged ? announceIdentityChange(network, account) : [] };
}

function rotateKey(network: Network, { device }: Sender, iq: Stanza): Answer | 'bad-request' {
  const key = readSignedKey(requireChild(requireChild(iq, 'rotate'), 'skey'));
  const keys = network.preKeys.keys(device);
  if (!keys || !signatureHolds(keys.identityKey, key)) return 'bad-request';
  network.preKeys.rotate(device, key);
  return {};
}

function fetchKeys(network: Network, { account }: Sender, iq: Stanza): Answer | 'bad-request' {
  const users = children(requireChild(iq, 'key'), 'user').map((user) => requireJid(user, 'jid'));
  if (users.length > MAX_USERS) return 'bad-request';
  const reached: Device[] = [];
  const list = users.map((jid) => {
    const device = deviceOf(network, account, jid);
    const bundle = device && network.preKeys.take(device);
    if (!device || !bundle) return stanza('user', { jid }, [stanza('error', { code: 404, text: 'item-not-found' })]);
    reached.push(...announceFewPreKeys(network, device));
    const companion = network.companions.get(device);
    const content = network.interference.handOut(device, bundleContent(bundle, companion?.deviceIdentity));
    return stanza('user', { jid, t: seconds(network.clock) }, content);
  });
  return { content: [stanza('list', {}, list)], reached };
}

/** A linked client may leave; whom else its account is linked to, only the primary device decides. */
function logOut(_network: Network, { device }: Sender, iq: Stanza): Answer | 'bad-request' {
  const jid = requireJid(requireChild(iq, 'remove-companion-device'), 'jid');
  if (device.device === 0 || !isUserJid(jid) || jid.device !== device.device) return 'bad-request';
  return { leaving: device };
}

function takeReport({ reports }: Network, { account }: Sender, iq: Stanza): Answer {
  reports.take(account, iq);
  return {};
}

function askPicture(network: Network, sender: Sender, iq: Stanza): Answer | 'not-found' {
  const content = answerPicture(network, sender, iq);
  return content === 'not-found' ? content : { content };
}

function digest(network: Network, { device }: Sender): Answer | 'not-found' {
  const keys = network.preKeys.keys(device);
  if (!keys) return 'not-found';
  const ids = network.preKeys.ids(device).map((id) => stanza('id', {}, integerBytes(id, 3)));
  const content = [
    stanza('registration', {}, integerBytes(keys.registrationId, 4)),
    ...keysContent({ ...keys, preKey: undefined }),
    stanza('list', {}, ids),
  ];
  return { content: [stanza('digest', {}, content)] };
}

function deviceOf(network: Network, asking: Account, jid: Jid): Device | undefined {
  const owner = network.directory.byJid(jid);
  if (!owner || !isUserJid(jid) || !network.directory.knows(asking, owner)) return undefined;
  return { account: owner.id, device: jid.device };
}
