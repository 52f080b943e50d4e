// Writes docs/features.md.
import { writeFileSync } from 'node:fs';
import { featuresPage } from './features-page.ts';

writeFileSync(new URL('../docs/features.md', import.meta.url), featuresPage());
