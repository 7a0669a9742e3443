// Leaving: when set-up was taken back, a browser that is started anew trusts nothing of ours, though the
// permission is still there and the device still answers.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { openBrowser } from '../../lab/browser.mjs';
import { until } from '../../lab/process.mjs';
import { SITE } from '../stage.mjs';

/** What the host answers to a tab of a browser in which the extension is not. */
async function opened(context, url) {
  const page = await context.newPage();
  try {
    return { status: (await page.goto(`${url}/`))?.status() };
  } catch (error) {
    return { error: error.message };
  }
}

async function inChromium(stage, url) {
  const context = await openBrowser(stage.house.pc, {
    profile: join(stage.house.pc.home, 'bare-profile'),
    loopback: [['*.local', stage.device.port, 'local']],
  });
  try {
    return await opened(context, url);
  } finally {
    await context.close();
  }
}

const inFirefox = (stage, url) => stage.withoutExtension(() => opened(stage.context, url));

function leaving(scenario, title, open, refusal) {
  scenario(title, async (stage) => {
    const { url } = await stage.granted(await stage.visit(SITE));
    const { hostname } = new URL(url);
    const seen = () => stage.device.requests().filter((each) => each.host.startsWith(hostname)).length;
    const before = seen();
    // The device refuses what comes without a session, by its own answer: the certificate is accepted.
    assert.equal((await open(stage, url)).status, 403);
    await until('the request in the access log', () => seen() > before);

    await stage.agent.json(['setup', '--undo'], { ms: 30000 });
    try {
      const asked = seen();
      assert.match((await open(stage, url)).error ?? 'it was opened', refusal);
      assert.equal(seen(), asked, 'a request came to the device');
      assert.ok((await stage.grants()).some((grant) => grant.host === hostname || grant.url?.includes(hostname)),
        'the permission is gone: that it is refused shows nothing');
    } finally {
      await stage.setUp();
      await stage.restartBrowser();
    }
  });
}

export function scenarios(scenario) {
  leaving(scenario, 'leaving: after setup --undo Chromium refuses the device', inChromium, /ERR_CERT_AUTHORITY_INVALID/);
}

export const firefox = {
  scenarios: (scenario) =>
    leaving(scenario, 'leaving: after setup --undo Firefox refuses the device', inFirefox, /SEC_ERROR_UNKNOWN_ISSUER/),
};
