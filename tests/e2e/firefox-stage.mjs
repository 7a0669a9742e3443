// The same house, with Firefox at the computer instead of Chromium.

import { anchorsIn, firefoxProfile } from '../lab/firefox-profile.mjs';
import { addonPage, openFirefox } from '../lab/firefox.mjs';
import { firefoxExtension } from '../lab/latchkey.mjs';
import { Stage } from './stage.mjs';

const BARE = 'bare.second';

export class FirefoxStage extends Stage {
  async setUp() {
    this.profile = await firefoxProfile(this.house.pc);
    this.bare = await firefoxProfile(this.house.pc, BARE);
    return this.agent.setup();
  }

  async openBrowser() {
    // Said each time: the profile keeps them.
    const language = this.language ?? 'en-US';
    const preferences = { 'intl.locale.requested': language, 'intl.accept_languages': language };
    this.context = await openFirefox(this.house.pc, { extension: firefoxExtension(), preferences });
    this.context.on('console', (message) => this.console.push(`${message.page()?.url()}: ${message.text()}`));
    // Once it answers, it is loaded.
    this.home = await this.context.newPage();
    await this.home.goto(addonPage('home.html'));
    await this.home.waitForSelector('#list > *');
  }

  rules() {
    return this.home.evaluate(() => chrome.declarativeNetRequest.getDynamicRules());
  }

  /** Another profile's Firefox in which the extension is not, while `work` lasts: the device stands alone. */
  async withoutExtension(work) {
    const usual = this.context;
    this.context = await openFirefox(this.house.pc, { profile: BARE });
    try {
      return await work();
    } finally {
      await this.context.close();
      this.context = usual;
    }
  }

  /** Latchkey's anchors in the profile, as certutil shows them. */
  async anchors(profile = this.profile) {
    return (await anchorsIn(this.house.pc, profile)).filter(({ nickname }) => nickname.startsWith('Latchkey'));
  }
}
