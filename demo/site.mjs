// Where the film site's files are, and the headers it is served with.

import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));

export const siteRoots = () => [join(here, 'site/public'), join(here, '../out/site'), join(here, '../out/media')];

/** Kinora's accounts: an identity provider on the site's own domain, where browsers let a sign-in be silent. */
export const ACCOUNTS = 'https://accounts.video.example:9443';

export const SITE_HEADERS = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src blob:; " +
    `connect-src 'self' ${ACCOUNTS} https://*.local:* wss://*.local:*; frame-src ${ACCOUNTS} 'self'; ` +
    // Its own redirect page comes back in a frame of its own, where a sign-in is silent.
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
};
