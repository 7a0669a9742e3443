// How scenarios are run: on one stage, one after another, with what helps to understand a failure.

import { after, before, describe, it } from 'node:test';

const PATIENCE_MS = 60000;

/** Fails by itself before the test runner loses patience, so that artefacts are kept. */
async function within(ms, work) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${ms / 1000} s`)), ms);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

/**
 * @param {string} title
 * @param {() => Promise<import('./stage.mjs').Stage>} set
 * @param {{scenarios: (scenario: Function) => void}[]} groups
 */
export function perform(title, set, groups) {
  const only = (process.env.E2E_ONLY ?? '').toLowerCase().split('|');
  describe(title, () => {
    let stage;
    before(async () => {
      stage = await set();
    }, { timeout: 60000 });
    after(async () => {
      await stage?.strike();
    }, { timeout: 30000 });

    const scenario = (name, run, { patience = PATIENCE_MS } = {}) => {
      if (!only.some((word) => name.toLowerCase().includes(word))) return;
      it(name, { timeout: PATIENCE_MS + patience }, async (context) => {
        try {
          await within(patience, run(stage, context));
        } catch (error) {
          await stage.keepArtefacts(name, error);
          throw error;
        } finally {
          await stage.tidy();
        }
      });
    };
    for (const group of groups) group.scenarios(scenario);
  });
}
