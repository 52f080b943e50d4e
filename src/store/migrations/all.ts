// Every migration in order. Forward only: an older schema is brought up, a newer one is refused.
import type { Migration } from 'kysely/migration';
import * as initial from './0001-initial.ts';
import * as devices from './0002-devices.ts';
import * as references from './0003-references.ts';
import * as hostedFiles from './0004-hosted-files.ts';
import * as files from './0005-files.ts';
import * as preferences from './0006-preferences.ts';
import * as profiles from './0007-profiles.ts';
import * as parked from './0008-parked.ts';
import * as awaited from './0009-awaited.ts';
import * as consent from './0010-consent.ts';
import * as requests from './0011-requests.ts';
import * as lateEvents from './0012-late-events.ts';
import * as reach from './0013-reach.ts';
import * as activity from './0014-activity.ts';
import * as erasures from './0015-erasures.ts';
import * as blocks from './0016-blocks.ts';
import * as visitors from './0017-visitors.ts';
import * as roomKeyUses from './0018-room-key-uses.ts';
import * as verifiedKeys from './0019-verified-keys.ts';
import * as policyRooms from './0020-policy-rooms.ts';
import * as commandKeyUses from './0030-command-key-uses.ts';
import * as idleRows from './0031-idle-rows.ts';
import * as limitUses from './0032-limit-uses.ts';
import * as spaces from './0033-spaces.ts';
import * as reports from './0034-reports.ts';
import * as heldSince from './0036-held-since.ts';

export const migrations: Readonly<Record<string, Migration>> = {
  '0001-initial': initial,
  '0002-devices': devices,
  '0003-references': references,
  '0004-hosted-files': hostedFiles,
  '0005-files': files,
  '0006-preferences': preferences,
  '0007-profiles': profiles,
  '0008-parked': parked,
  '0009-awaited': awaited,
  '0010-consent': consent,
  '0011-requests': requests,
  '0012-late-events': lateEvents,
  '0013-reach': reach,
  '0014-activity': activity,
  '0015-erasures': erasures,
  '0016-blocks': blocks,
  '0017-visitors': visitors,
  '0018-room-key-uses': roomKeyUses,
  '0019-verified-keys': verifiedKeys,
  '0020-policy-rooms': policyRooms,
  '0030-command-key-uses': commandKeyUses,
  '0031-idle-rows': idleRows,
  '0032-limit-uses': limitUses,
  '0033-spaces': spaces,
  '0034-reports': reports,
  '0036-held-since': heldSince,
};
