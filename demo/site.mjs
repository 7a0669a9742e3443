// Where the film site's files are, and the headers it is served with.

import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));

export const siteRoots = () => [join(here, 'site/public'), join(here, '../out/site'), join(here, '../out/media')];

export const SITE_HEADERS = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src blob:; " +
    "connect-src 'self' https://*.local:* wss://*.local:*; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
};
