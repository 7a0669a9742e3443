// All end-to-end tests, in one house. Each scenario makes sure by itself of what
// it needs, so that any of them can be run alone: tests/e2e/run --only NAME.

import { after, before, describe, it } from 'node:test';
import { Stage } from './stage.mjs';
import * as control from './scenarios/control.mjs';
import * as direct from './scenarios/direct.mjs';
import * as discovery from './scenarios/discovery.mjs';
import * as frames from './scenarios/frames.mjs';
import * as grant from './scenarios/grant.mjs';
import * as isolation from './scenarios/isolation.mjs';
import * as prompts from './scenarios/prompts.mjs';
import * as raw from './scenarios/raw.mjs';
import * as revoke from './scenarios/revoke.mjs';
import * as steady from './scenarios/steady.mjs';
import * as trust from './scenarios/trust.mjs';

const PATIENCE_MS = 60000;

/** Fails by itself before the test runner loses patience, so that artefacts are kept. */
async function within(ms, work) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${ms / 1000} s`)), ms);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

const only = (process.env.E2E_ONLY ?? '').toLowerCase();

describe('Latchkey in Chromium', () => {
  let stage;
  before(async () => {
    stage = await Stage.set(process.env.E2E_OUT);
  }, { timeout: 60000 });
  after(async () => {
    await stage?.strike();
  }, { timeout: 30000 });

  const scenario = (name, run) => {
    if (only && !name.toLowerCase().includes(only)) return;
    it(name, { timeout: 2 * PATIENCE_MS }, async (context) => {
      try {
        await within(PATIENCE_MS, run(stage, context));
      } catch (error) {
        await stage.keepArtefacts(name, error);
        throw error;
      } finally {
        await stage.tidy();
      }
    });
  };
  for (const group of [grant, isolation, raw, frames, steady, revoke, trust, control, direct, discovery, prompts]) group.scenarios(scenario);
});
