// Writes docs/privacy.md.
import { writeFileSync } from 'node:fs';
import { privacyPage } from './privacy-page.ts';

writeFileSync(new URL('../docs/privacy.md', import.meta.url), privacyPage());
