// What the configuration says, in the terms of the bridge and of the adapters.
import type { BridgeSettings } from '../bridge/context.ts';
import { loadAuthority } from '../config/authority.ts';
import { type Config, mayOptIn, type NetworkConfig } from '../config/config.ts';
import type { Network } from '../model/account.ts';
import type { RoomId } from '../model/ids.ts';
import type { LimitRate, LimitSettings } from '../model/limit.ts';
import type { MediaHosts } from '../whatsapp/media/hosts.ts';
import type { NetworkEndpoints } from '../whatsapp/network.ts';

const hour = 60 * 60 * 1000;
const day = 24 * hour;
const megabyte = 1024 * 1024;

export function bridgeSettings(config: Config, instanceId: string): BridgeSettings {
  return {
    instanceId,
    serverName: config.homeserver.server_name,
    botName: config.appservice.bot.display_name,
    operator: {
      name: config.operator.name,
      contact: config.operator.contact,
      privacyUrl: config.operator.privacy_url,
    },
    ghostPrefix: config.appservice.ghost_prefix,
    networks: networks(config),
    readReceipts: new Set(networks(config).filter((network) => config.networks[network]?.read_receipts)),
    blocked: config.policy.blocked,
    moderationRoom: config.moderation.room as RoomId | undefined,
    reportTo: new Set(networks(config).filter((network) => config.networks[network]?.reports)),
    policyRooms: config.policy.rooms,
    mostPolicyRooms: config.policy.rooms_per_user,
    requests: {
      people: config.policy.requests,
      messages: config.policy.request_messages,
      waitMs: config.policy.request_days * day,
    },
    federatePortals: config.portals.federate,
    arrangement: config.inbox.default,
    devicePolicy: config.encryption.devices,
    mayOptIn: (user) => mayOptIn(config, user),
    attestation: config.permissions.attestation.required
      ? { validMs: config.permissions.attestation.valid_days * day }
      : undefined,
    graceMs: config.consent.grace_days * day,
    endPausedMs: config.consent.end_after_days * day,
    defaultCountry: config.phone_numbers.default_country,
    pictures: config.contacts.pictures,
    receiptWaitMs: config.delivery.receipt_wait_days * day,
    retentionMs: config.delivery.retention_days * day,
    retries: config.delivery.retries,
    missingKeyWaitMs: config.delivery.missing_key_wait_s * 1000,
    lateKeyWaitMs: config.delivery.late_key_wait_h * hour,
    heldMs: config.delivery.held_days * day,
    maxFileBytes: config.media.max_size_mb * megabyte,
    transfers: config.media.transfers,
  };
}

export function limitSettings({ limits }: Config): LimitSettings {
  const { young_days, messages, new_chats, requests, media_mb } = limits;
  const rate = ({ per_s, account, young, everybody }: typeof messages, size = 1): LimitRate => ({
    perMs: per_s * 1000,
    account: account * size,
    young: young * size,
    everybody: everybody * size,
  });
  return {
    youngMs: young_days * day,
    rates: {
      messages: rate(messages),
      'new-chats': rate(new_chats),
      requests: { ...rate(requests), contact: requests.contact },
      media: rate(media_mb, megabyte),
    },
  };
}

function networks(config: Config): Network[] {
  const all: readonly Network[] = ['whatsapp', 'messenger'];
  return all.filter((network) => config.networks[network] !== undefined);
}

export function endpoints(config: Config): { readonly [N in Network]?: NetworkEndpoints | undefined } {
  const of = (network: NetworkConfig | undefined): NetworkEndpoints | undefined =>
    network && {
      chatUrl: network.chat_url,
      rootKey: Buffer.from(network.root_key, 'hex'),
      enlistmentUrl: network.enlistment_url,
      readReceipts: network.read_receipts,
      media: mediaHosts(network.media),
    };
  return { whatsapp: of(config.networks.whatsapp), messenger: of(config.networks.messenger) };
}

function mediaHosts({ host, hosts, private_addresses, authority }: NetworkConfig['media']): MediaHosts {
  return {
    host,
    allowed: hosts,
    privateAddresses: private_addresses,
    authority: authority === undefined ? undefined : loadAuthority(authority),
  };
}
