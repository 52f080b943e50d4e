// An installation for the demo and the end-to-end tests: the files that `init` writes, with loopback addresses and the sandbox as network.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInstallation, type Settings } from './installation.ts';

export interface SandboxAddress {
  readonly chatUrl: string;
  /** 32 bytes in hex. */
  readonly rootPublicKey: string;
  readonly enlistmentUrl: string;
  /** Host name and port. */
  readonly mediaHost: string;
  /** PEM. */
  readonly mediaAuthority: string;
  /** What the sandbox was told to expect as `aud` in the bridge's tokens. */
  readonly audience: string;
}

export interface DemoInstallationOptions {
  /** Made if it does not exist; must not hold an installation yet. */
  readonly directory: string;
  readonly serverName: string;
  readonly homeserverUrl: string;
  /** Of the bridge's listener on 127.0.0.1. */
  readonly port: number;
  readonly sandbox: SandboxAddress;
  /** Further settings by their full key, such as `delivery.missing_key_wait_s`. */
  readonly overrides?: Settings;
}

export interface DemoInstallation {
  readonly configPath: string;
  readonly registrationPath: string;
  /** Where the sandbox finds the provider; `/.well-known/openid-configuration` lies below it. */
  readonly publicUrl: string;
  /** The bot's Matrix ID. */
  readonly bot: string;
}

const mediaAuthorityFile = 'media-authority.pem';

/** The address of a bridge on this port, known before there is an installation: the sandbox needs it first. */
export const bridgeUrl = (port: number): string => `http://127.0.0.1:${port}`;

/** Writes config.yaml, registration.yaml, master.key and media-authority.pem. Throws BridgeError where they exist or cannot be written. */
export async function prepareInstallation(options: DemoInstallationOptions): Promise<DemoInstallation> {
  const { directory, serverName, homeserverUrl, port, sandbox, overrides = {} } = options;
  const publicUrl = bridgeUrl(port);
  await createInstallation(
    directory,
    {
      serverName,
      homeserverUrl,
      publicUrl,
      operatorName: 'The demo on this machine',
      operatorContact: `@admin:${serverName}`,
      listenHost: '127.0.0.1',
      listenPort: String(port),
      appserviceUrl: publicUrl,
      chatUrl: sandbox.chatUrl,
      enlistmentUrl: sandbox.enlistmentUrl,
    },
    {
      'networks.whatsapp.root_key': sandbox.rootPublicKey,
      'networks.whatsapp.media': {
        host: sandbox.mediaHost,
        hosts: [],
        private_addresses: true,
        authority: mediaAuthorityFile,
      },
      'provider.audience': sandbox.audience,
      ...overrides,
    },
  );
  await writeFile(join(directory, mediaAuthorityFile), sandbox.mediaAuthority);
  return {
    configPath: join(directory, 'config.yaml'),
    registrationPath: join(directory, 'registration.yaml'),
    publicUrl,
    bot: `@whatsappbot:${serverName}`,
  };
}
