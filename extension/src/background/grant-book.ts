// What the agent said about grants, kept for this browser session so that it outlives the service
// worker, with the request rules held in step.
import type { Grant } from '../protocol/agent';
import { kMaxGrants, readGrant, readGrantPage } from '../protocol/agent';
import type { PageDevice } from '../protocol/internal';
import * as names from '../protocol/names';
import { readFields, readList } from '../protocol/read';
import { type Rule, makeRules, sameRules } from './rules';

export interface GrantBookOptions {
  readonly call: (method: string, params: Readonly<Record<string, unknown>>) => Promise<unknown>;
  readonly load: () => Promise<unknown>;
  readonly save: (grants: readonly unknown[]) => Promise<void>;
  // Every kind of request that the browser's rules know by name.
  readonly resourceTypes: readonly string[];
  readonly nearbyAllowed: () => Promise<ReadonlySet<string>>;
  readonly currentRules: () => Promise<readonly Rule[]>;
  readonly replaceRules: (remove: readonly number[], add: readonly Rule[]) => Promise<void>;
  // Everything known, whenever it was heard: before rules and pages follow.
  readonly onKnown: (grants: readonly Grant[]) => Promise<void>;
  // Grants that were in use before and are not any more.
  readonly onEnded: (ended: readonly Grant[]) => void;
  // Grants that were suspended before and are in use again.
  readonly onRestored: (restored: readonly Grant[]) => void;
  readonly now: () => number; // seconds since 1970
}

export class GrantBook {
  private grants: readonly Grant[] | null = null;
  private queue: Promise<unknown> = Promise.resolve();

  constructor(private readonly options: GrantBookOptions) {}

  // Everything known, ended grants included.
  async all(): Promise<readonly Grant[]> {
    this.grants ??= await this.restore();
    return this.grants;
  }

  async active(): Promise<readonly Grant[]> {
    return (await this.all()).filter((grant) => grant.state === 'active');
  }

  async forOrigin(origin: string): Promise<readonly Grant[]> {
    return (await this.active()).filter((grant) => grant.origin === origin);
  }

  // The active grant of this origin that the page knows by `pageId`.
  async find(origin: string, pageId: string): Promise<Grant | null> {
    for (const grant of await this.forOrigin(origin)) {
      if ((await pageIdOf(grant.host)) === pageId) return grant;
    }
    return null;
  }

  // Asks the agent for the whole list and brings rules in step, one at a time and in order. Throws
  // AgentError when the agent cannot be asked; the rules then stay as they are, which is closed.
  async sync(): Promise<void> {
    await this.inTurn(async () => {
      const before = await this.all();
      await this.accept(before, await this.list());
    });
  }

  // One grant's new state, applied at once, before the agent is asked for the rest.
  async mark(id: string, state: Grant['state']): Promise<void> {
    await this.inTurn(async () => {
      const before = await this.all();
      await this.accept(
        before,
        before.map((grant) => (grant.id === id ? { ...grant, state } : grant)),
      );
    });
  }

  // One grant as the agent has it now. Throws AgentError when it has none, or cannot be asked.
  async refresh(id: string): Promise<void> {
    await this.inTurn(async () => {
      const before = await this.all();
      const got = await this.options.call(names.kGrantsGet, { [names.kId]: id });
      const grant = readGrant(readFields(got, names.kResult)[names.kGrant]);
      await this.accept(
        before,
        before.map((one) => (one.id === grant.id ? grant : one)),
      );
    });
  }

  async refreshRules(): Promise<void> {
    await this.inTurn(async () => {
      await this.applyRules(await this.all());
    });
  }

  // Page by page; anew where the list changed so that the next page begins nowhere.
  private async list(): Promise<readonly Grant[]> {
    for (let attempt = 0; ; attempt += 1) {
      const listed: Grant[] = [];
      let after: string | null = null;
      try {
        do {
          const params: Record<string, unknown> = { [names.kAll]: true };
          if (after !== null) params[names.kAfter] = after;
          const page = readGrantPage(await this.options.call(names.kGrantsList, params));
          listed.push(...page.grants);
          after = page.more;
        } while (after !== null && listed.length < kMaxGrants);
        return listed;
      } catch (error) {
        if (after === null || attempt === 2) throw error;
      }
    }
  }

  private async accept(before: readonly Grant[], after: readonly Grant[]): Promise<void> {
    this.grants = after;
    await this.options.onKnown(after);
    await this.applyRules(after);
    // Whoever watches the kept list is woken by changes only.
    const stored = after.map(toStored);
    if (JSON.stringify(stored) !== JSON.stringify(before.map(toStored))) {
      await this.options.save(stored);
    }
    const alive = new Set(after.filter((one) => one.state === 'active').map((one) => one.id));
    const ended = before.filter((one) => one.state === 'active' && !alive.has(one.id));
    if (ended.length > 0) this.options.onEnded(ended);
    const paused = new Set(before.filter((one) => one.state === 'suspended').map((one) => one.id));
    const restored = after.filter((one) => one.state === 'active' && paused.has(one.id));
    if (restored.length > 0) this.options.onRestored(restored);
  }

  private async applyRules(grants: readonly Grant[]): Promise<void> {
    const wanted = makeRules(
      grants,
      await this.options.nearbyAllowed(),
      this.options.now(),
      this.options.resourceTypes,
    );
    const present = await this.options.currentRules();
    if (sameRules(wanted, present)) return;
    await this.options.replaceRules(
      present.map((rule) => rule.id),
      wanted,
    );
  }

  private async inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.queue.then(work);
    this.queue = turn.catch(() => undefined);
    await turn;
  }

  private async restore(): Promise<readonly Grant[]> {
    try {
      return readList(await this.options.load(), 'grants', kMaxGrants, readGrant);
    } catch {
      // Nothing kept yet, or kept by another version.
      return [];
    }
  }
}

// The agent's own shape, so that one reader serves both.
function toStored(grant: Grant): unknown {
  return {
    [names.kId]: grant.id,
    [names.kOrigin]: grant.origin,
    [names.kHost]: grant.host,
    [names.kPort]: grant.port,
    [names.kUrl]: grant.url,
    [names.kType]: grant.type,
    [names.kDevice]: {
      [names.kId]: grant.deviceId,
      [names.kName]: grant.deviceName,
      [names.kModel]: grant.model,
      [names.kMaker]: grant.maker,
      [names.kStanding]: grant.standing,
    },
    [names.kSite]: grant.site, // has the agent's names
    [names.kCreated]: grant.created,
    [names.kLastUsed]: grant.lastUsed,
    [names.kNotAfter]: grant.notAfter,
    [names.kState]: grant.state,
    [names.kHold]: grant.hold,
    [names.kPaused]: grant.paused,
    [names.kBlockUntil]: grant.blockUntil,
    [names.kCa]: grant.authorities[0] ?? null,
    [names.kCaBefore]: grant.authorities[1] ?? null,
    [names.kKeys]: grant.keys,
  };
}

// The id a page gets: 16 bytes of a hash over the grant's host, which is itself different for every
// person, web service and device, so that it says nothing that the URL does not.
export async function pageIdOf(host: string): Promise<string> {
  const text = new TextEncoder().encode(`latchkey-page-id-v1:${host}`);
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', text)).slice(0, 16);
  return btoa(String.fromCharCode(...hash))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}

export async function toPageDevice(grant: Grant): Promise<PageDevice> {
  return { id: await pageIdOf(grant.host), type: grant.type, url: grant.url };
}
