// All end-to-end tests, in one house. Each scenario makes sure by itself of what
// it needs, so that any of them can be run alone: tests/e2e/run --only NAME.

import { perform } from './scenario.mjs';
import { Stage } from './stage.mjs';
import * as asleep from './scenarios/asleep.mjs';
import * as bluetooth from './scenarios/bluetooth.mjs';
import * as control from './scenarios/control.mjs';
import * as direct from './scenarios/direct.mjs';
import * as discovery from './scenarios/discovery.mjs';
import * as frames from './scenarios/frames.mjs';
import * as grant from './scenarios/grant.mjs';
import * as homePage from './scenarios/home-page.mjs';
import * as isolation from './scenarios/isolation.mjs';
import * as leaving from './scenarios/leaving.mjs';
import * as media from './scenarios/media.mjs';
import * as moving from './scenarios/moving.mjs';
import * as prompts from './scenarios/prompts.mjs';
import * as raw from './scenarios/raw.mjs';
import * as recipes from './scenarios/recipes.mjs';
import * as revoke from './scenarios/revoke.mjs';
import * as sso from './scenarios/sso.mjs';
import * as ssoSides from './scenarios/sso-sides.mjs';
import * as steady from './scenarios/steady.mjs';
import * as trust from './scenarios/trust.mjs';

// The order counts in one point that is not understood: after `sso`, what a foreign page asks of a direct host
// ends in the browser and never comes to the device, so that `direct` has nothing to see refused.
perform('Latchkey in Chromium', () => Stage.set(process.env.E2E_OUT),
  [grant, isolation, raw, frames, steady, revoke, trust, control, direct, homePage, recipes, discovery, bluetooth, sso, ssoSides, prompts, media, moving, leaving]);

// In a house of its own: whoever has been at a later date does not believe an earlier one afterwards.
perform('Latchkey in Chromium, weeks later', () => Stage.set(`${process.env.E2E_OUT}/later`), [asleep]);
