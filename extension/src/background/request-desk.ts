// One question to the person at a time: opens the consent window, carries its commands to the
// agent, and tells the page how it ended. What must outlive the service worker is in `Asking`;
// the window itself keeps what it shows and asks again when the worker comes back.
import type { AgentEvent, Grant } from '../protocol/agent';
import type {
  AgentStatus,
  ConsentCommand,
  ConsentNews,
  LocalNetworkState,
} from '../protocol/internal';
import * as names from '../protocol/names';
import type { SignInAsk } from '../protocol/sign-in';
import { type Verdict, kNoSite } from '../protocol/trust';
import { siteKey } from '../ui/origin';
import type { AgentLink } from './agent-link';
import { AskLimits, type LimitsState } from './limits';
import { NearbyDesk } from './nearby-desk';
import { PairingCourse, failedBy } from './pairing-course';
import type { Page } from './sender';
import { askVerdict } from './verdict';
import type { WindowKind } from './window';

// What a page asks for.
export interface Asked {
  readonly types: readonly string[];
  readonly sso: SignInAsk | null;
  readonly localNetwork: LocalNetworkState;
}

export interface Asking extends Asked {
  readonly request: string; // id of this question, 32 hex digits
  readonly token: string; // the content script's name for it
  readonly page: Page | null; // null: the person adds a device, no page asks
  readonly windowId: number | null;
  readonly moved: boolean; // to a window that can show the browser's list of devices nearby
  readonly grant: Grant | null; // once allowed
}

export interface RequestDeskOptions {
  readonly agent: AgentLink;
  readonly loadAsking: () => Promise<Asking | null>;
  readonly saveAsking: (asking: Asking | null) => Promise<void>;
  readonly loadLimits: () => Promise<LimitsState>;
  readonly saveLimits: (limits: LimitsState) => Promise<void>;
  readonly openWindow: (request: string, near: Page | null, kind: WindowKind) => Promise<number>;
  readonly visit: (grant: Grant) => Promise<void>;
  readonly focusWindow: (windowId: number) => Promise<void>;
  readonly closeWindow: (windowId: number) => Promise<void>;
  readonly sync: () => Promise<void>;
  readonly grantIds: () => Promise<ReadonlySet<string>>;
  readonly tellPage: (asking: Asking & { page: Page }, device: Grant | null) => Promise<void>;
  readonly newId: () => string;
  readonly now: () => number; // milliseconds
}

const kNobodyAsks: Verdict = {
  allowed: true,
  code: null,
  message: null,
  site: kNoSite,
  consented: false,
};

function originOf(asking: Asking): string | null {
  return asking.page?.origin ?? null;
}

// As the person saw it in the window.
function signInParams({ sso }: Asking): Record<string, unknown> {
  if (sso === null) return {};
  const client = sso.clientId === null ? {} : { [names.kClient]: sso.clientId };
  return { [names.kSso]: { [names.kSignInIssuer]: sso.issuer, ...client } };
}

function isWanted(asking: Asking, type: string): boolean {
  return asking.page === null || asking.types.includes(type);
}

export interface ConsentPort {
  postMessage(message: ConsentNews): void;
}

export class RequestDesk {
  private asking: Asking | null = null;
  private limits = new AskLimits();
  private readonly restored: Promise<void>;
  private port: ConsentPort | null = null;
  // The last refusal was for want of news from a provider, which trying again asks for.
  private stale = false;

  private readonly nearby: NearbyDesk;
  private readonly course: PairingCourse;

  constructor(private readonly options: RequestDeskOptions) {
    const say = (news: ConsentNews): void => {
      this.say(news);
    };
    this.nearby = new NearbyDesk({
      call: (method, params) => options.agent.call(method, params),
      say,
    });
    this.course = new PairingCourse({ agent: options.agent, grantIds: options.grantIds, say });
    this.restored = this.restore();
  }

  // False: not now. The page is told the same as after a refusal, and as late.
  async begin(page: Page, token: string, asked: Asked): Promise<boolean> {
    await this.restored;
    if (this.asking !== null) {
      if (this.asking.windowId !== null) await this.options.focusWindow(this.asking.windowId);
      return false;
    }
    if (!this.limits.mayAsk(siteKey(page.origin), this.options.now())) return false;
    return this.ask({ token, page, ...asked });
  }

  // The person adds a device to open it: no page, and nothing to wait for.
  async add(): Promise<boolean> {
    await this.restored;
    if (this.asking !== null) {
      if (this.asking.windowId !== null) await this.options.focusWindow(this.asking.windowId);
      return false;
    }
    return this.ask({ token: '', page: null, types: [], sso: null, localNetwork: 'granted' });
  }

  private async ask(question: Pick<Asking, 'token' | 'page'> & Asked): Promise<boolean> {
    const request = this.options.newId();
    // Before anything is awaited, or two could get in.
    this.asking = { ...question, request, windowId: null, moved: false, grant: null };
    try {
      const windowId = await this.options.openWindow(request, question.page, 'popup');
      await this.update({ windowId });
    } catch {
      this.asking = null;
      return false;
    }
    return true;
  }

  // The page went away: nobody is left to answer.
  async pageLeft(matches: (asking: Asking) => boolean): Promise<void> {
    await this.restored;
    const { asking } = this;
    if (asking === null || !matches(asking)) return;
    await this.end(asking);
    if (asking.windowId !== null) await this.options.closeWindow(asking.windowId);
  }

  async windowClosed(windowId: number): Promise<void> {
    await this.restored;
    const { asking } = this;
    if (asking?.windowId === windowId) await this.settle(asking);
  }

  agentStatus(status: AgentStatus): void {
    if (status.state === 'connecting' || status.state === 'ready') return;
    this.nearby.gone();
    this.course.agentGone();
  }

  async agentEvent(event: AgentEvent): Promise<void> {
    switch (event.kind) {
      case 'found':
        if (this.asking !== null && isWanted(this.asking, event.device.type)) this.say(event);
        return;
      case 'lost':
      case 'network':
      case 'bluetooth':
        this.say(event);
        return;
      case 'progress':
      case 'network_wanted':
      case 'failed':
        this.course.hear(event);
        return;
      case 'nearby':
        this.nearby.hear(event.link, event.news);
        return;
      case 'done':
        await this.paired(event.session, event.grant, event.warnings);
        return;
      case 'trust':
        // What was allowed a moment ago may not be any more, and the window is told why.
        if (this.asking !== null) await this.reportVerdict(this.asking);
        return;
      case 'changed':
        return;
    }
  }

  async command(port: ConsentPort, command: ConsentCommand): Promise<void> {
    await this.restored;
    if (command.kind === 'open') {
      await this.opened(port, command.request);
      return;
    }
    const { asking } = this;
    if (asking === null || port !== this.port) {
      port.postMessage({ kind: 'over' });
      return;
    }
    switch (command.kind) {
      case 'look':
        await this.look(asking, command.nearby);
        return;
      case 'pick':
        await this.pick(asking, command.key, command.type);
        return;
      case 'name':
        await this.name(asking, command.text);
        return;
      case 'code':
        await this.course.code(command.text);
        return;
      case 'wifi':
        await this.course.wifi(command.ssid, command.psk);
        return;
      case 'nearby.window':
        await this.move(asking);
        return;
      case 'nearby.open':
      case 'nearby.value':
      case 'nearby.taken':
      case 'nearby.lost':
      case 'nearby.close':
        await this.nearby.command(command);
        return;
      case 'visit':
        if (asking.grant !== null) await this.options.visit(asking.grant);
        return;
      case 'back':
        await this.course.cancel();
        return;
      case 'retry':
        await this.retry(asking);
        return;
      case 'seen':
        if (asking.grant !== null) await this.settle(asking);
        return;
      case 'refuse':
      case 'close':
        await this.settle(asking);
        if (asking.windowId !== null) await this.options.closeWindow(asking.windowId);
        return;
    }
  }

  portGone(port: ConsentPort): void {
    if (this.port !== port) return;
    this.port = null;
    // The radio was the window's.
    this.nearby.drop();
  }

  private async restore(): Promise<void> {
    const [asking, limits] = await Promise.all([
      this.options.loadAsking(),
      this.options.loadLimits(),
    ]);
    this.asking = asking;
    this.limits = new AskLimits(limits);
  }

  private async opened(port: ConsentPort, request: string): Promise<void> {
    const { asking } = this;
    if (asking?.request !== request) {
      port.postMessage({ kind: 'over' });
      return;
    }
    this.port = port;
    this.nearby.drop();
    await this.course.cancel();
    const { types, sso, localNetwork, moved } = asking;
    this.say({
      kind: 'question',
      question: { origin: originOf(asking), types, sso, localNetwork, moved },
    });
    await this.reportAgent(asking);
  }

  // Chromium shows no list of devices over a pop-up window, but says at once that the person chose none.
  private async move(asking: Asking): Promise<void> {
    const before = asking.windowId;
    await this.course.cancel();
    const windowId = await this.options.openWindow(asking.request, asking.page, 'normal');
    if (this.asking?.request !== asking.request) {
      await this.options.closeWindow(windowId);
      return;
    }
    // First, so that the old one's end is nobody's answer.
    await this.update({ windowId, moved: true });
    if (before !== null) await this.options.closeWindow(before);
  }

  private async retry(asking: Asking): Promise<void> {
    this.options.agent.reset();
    if (this.stale) {
      await this.options.agent.call(names.kMetadataRefresh, {}).catch(() => undefined);
    }
    await this.reportAgent(asking);
  }

  private async reportAgent(asking: Asking): Promise<void> {
    const { agent } = this.options;
    const verdict = await this.verdict(asking);
    this.stale = verdict?.code === names.kMetadataStale;
    this.say({ kind: 'agent', agent: agent.status, verdict });
  }

  private async reportVerdict(asking: Asking): Promise<void> {
    if (asking.page === null) return;
    const verdict = await this.verdict(asking);
    if (verdict === null || this.asking?.request !== asking.request) return;
    this.stale = verdict.code === names.kMetadataStale;
    if (!verdict.allowed) await this.course.cancel();
    this.say({ kind: 'verdict', verdict });
  }

  private async verdict(asking: Asking): Promise<Verdict | null> {
    const { agent } = this.options;
    if (asking.page !== null) return askVerdict(agent, asking.page.origin, asking.types);
    // No web service to judge; what speaks against the device is said when it is picked.
    return agent.ready().then(
      () => kNobodyAsks,
      () => null,
    );
  }

  private async look(asking: Asking, nearby: boolean): Promise<void> {
    const only = asking.types.length === 1 ? asking.types[0] : undefined;
    const params = {
      ...(only === undefined ? {} : { [names.kType]: only }),
      ...(nearby ? { [names.kNearby]: true } : {}),
    };
    try {
      await this.options.agent.call(names.kDiscoverStart, params);
    } catch (error) {
      this.say(failedBy(error));
    }
  }

  private async pick(asking: Asking, key: string, type: string): Promise<void> {
    const params = {
      [names.kOrigin]: originOf(asking),
      [names.kType]: type,
      [names.kKey]: key,
      ...signInParams(asking),
    };
    await this.course.begin(params, () => this.asking?.request === asking.request);
  }

  // Of the address: a page's device has none to choose.
  private async name(asking: Asking, text: string): Promise<void> {
    if (asking.page === null) {
      await this.course.name(text);
    } else {
      this.say({ kind: 'failed', code: names.kCancelled, left: null, again: false });
    }
  }

  private async paired(session: string, grant: Grant, warnings: readonly string[]): Promise<void> {
    const isOurs = await this.course.finished(session, grant);
    const { asking } = this;
    if (!isOurs || asking === null) return;
    if (grant.origin !== originOf(asking) || grant.state !== 'active') {
      this.say({ kind: 'failed', code: names.kInternal, left: null, again: false });
      return;
    }
    await this.options.sync(); // the rules stand before the page hears of it
    await this.update({ grant });
    const { deviceName, standing, maker, model } = grant;
    const url = grant.origin === null ? grant.url : null;
    this.say({ kind: 'done', deviceName, url, make: { standing, maker, model }, warnings });
  }

  // The window is done with, one way or the other.
  private async settle(asking: Asking): Promise<void> {
    if (this.asking?.request !== asking.request) return;
    const { grant } = this.asking;
    const { page } = asking;
    if (page !== null) {
      const site = siteKey(page.origin);
      if (grant === null) this.limits.refused(site, this.options.now());
      else this.limits.allowed(site);
      await this.options.saveLimits(this.limits.save());
    }
    await this.end(asking);
    if (page !== null) await this.options.tellPage({ ...asking, page }, grant);
  }

  private async end(asking: Asking): Promise<void> {
    if (this.asking?.request !== asking.request) return;
    this.asking = null;
    this.port = null;
    await this.options.saveAsking(null);
    await this.course.cancel();
    this.nearby.drop();
    if (this.options.agent.status.state === 'ready') {
      await this.options.agent.call(names.kDiscoverStop, {}).catch(() => undefined);
    }
  }

  private async update(change: Partial<Pick<Asking, 'windowId' | 'moved' | 'grant'>>): Promise<void> {
    if (this.asking === null) return;
    this.asking = { ...this.asking, ...change };
    await this.options.saveAsking(this.asking);
  }

  private say(news: ConsentNews): void {
    this.port?.postMessage(news);
  }
}
