// Options that several commands share.
import { Option } from 'commander';

export function configOption(): Option {
  return new Option('-c, --config <file>', 'configuration file').env('MAW_CONFIG').default('config.yaml');
}
