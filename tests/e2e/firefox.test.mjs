// End-to-end tests in Firefox: what is the same for both browsers, and what only Firefox does.
//   tests/e2e/run --browser firefox [--only NAME]

import { FirefoxStage } from './firefox-stage.mjs';
import { perform } from './scenario.mjs';
import { firefox as control } from './scenarios/control.mjs';
import * as firefox from './scenarios/firefox.mjs';
import * as grant from './scenarios/grant.mjs';
import { firefox as homePage } from './scenarios/home-page.mjs';
import { firefox as leaving } from './scenarios/leaving.mjs';
import * as nearby from './scenarios/nearby.mjs';
import { firefox as sso } from './scenarios/sso-sides.mjs';

perform('Latchkey in Firefox', () => FirefoxStage.set(process.env.E2E_OUT), [grant, firefox, control, homePage, nearby, sso, leaving]);
