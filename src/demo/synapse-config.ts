// The homeserver configuration of a private Synapse: loopback, SQLite, no federation, no limits, what the bridge needs switched on.
import { join } from 'node:path';
import { z } from 'zod';

/** Kept in the data directory, so that a restart is the same homeserver. */
export const synapseSecrets = z.object({
  signingKey: z.string(),
  registrationSecret: z.string(),
  macaroonSecret: z.string(),
});
export type SynapseSecrets = z.infer<typeof synapseSecrets>;

const unlimited = { per_second: 10_000, burst_count: 10_000 };

type Settings = {
  dataDir: string;
  serverName: string;
  port: number;
  databasePath: string;
  logConfigPath: string;
  registrationPath: string | undefined;
  uploadLimit: number | undefined;
  secrets: SynapseSecrets;
};

export function homeserverConfig(settings: Settings): Record<string, unknown> {
  const { dataDir, serverName, port, registrationPath, uploadLimit, secrets } = settings;
  return {
    server_name: serverName,
    public_baseurl: `http://127.0.0.1:${port}/`,
    pid_file: join(dataDir, 'homeserver.pid'),
    log_config: settings.logConfigPath,
    listeners: [
      { port, type: 'http', bind_addresses: ['127.0.0.1'], resources: [{ names: ['client'], compress: false }] },
    ],
    database: { name: 'sqlite3', args: { database: settings.databasePath } },
    media_store_path: join(dataDir, 'media'),
    ...(uploadLimit === undefined ? {} : { max_upload_size: uploadLimit }),
    signing_key: secrets.signingKey,
    registration_shared_secret: secrets.registrationSecret,
    macaroon_secret_key: secrets.macaroonSecret,
    form_secret: secrets.macaroonSecret,

    app_service_config_files: registrationPath === undefined ? [] : [registrationPath],
    // docs/protocol.md: without these two an appservice gets no room keys, one-time key counts or device lists.
    experimental_features: { msc2409_to_device_messages_enabled: true, msc3202_transaction_extensions: true },

    report_stats: false,
    presence: { enabled: false },
    trusted_key_servers: [],
    suppress_key_server_warning: true,
    federation_domain_whitelist: [],
    allow_public_rooms_over_federation: false,
    url_preview_enabled: false,
    // Throw-away passwords on loopback: the least work bcrypt allows.
    bcrypt_rounds: 4,
    background_updates: { sleep_enabled: false },

    rc_message: unlimited,
    rc_registration: unlimited,
    rc_registration_token_validity: unlimited,
    rc_login: { address: unlimited, account: unlimited, failed_attempts: unlimited },
    rc_admin_redaction: unlimited,
    rc_joins: { local: unlimited, remote: unlimited },
    rc_joins_per_room: unlimited,
    rc_invites: { per_room: unlimited, per_user: unlimited, per_issuer: unlimited },
    rc_key_requests: unlimited,
    rc_presence: { per_user: unlimited },
    rc_room_creation: unlimited,
    rc_media_create: unlimited,
    rc_reports: unlimited,
    rc_user_directory: unlimited,
    rc_3pid_validation: unlimited,
    rc_delayed_event_mgmt: unlimited,
  };
}

/** To standard error, which is the log file: so that a crash of the interpreter is in it as well. */
export const logConfig = {
  version: 1,
  formatters: { line: { format: '%(asctime)s %(levelname)s %(name)s %(message)s' } },
  handlers: { stderr: { class: 'logging.StreamHandler', formatter: 'line' } },
  loggers: { 'synapse.appservice': { level: 'INFO' } },
  root: { level: 'WARNING', handlers: ['stderr'] },
  disable_existing_loggers: false,
};
