// Opening a device at its own address: when its answer to a typed address is "sign in", a ticket opens a
// session there and the page is loaded once more (docs/protocol.md section 6).
//
// The ticket is sent from here and not from the page: no script of any page ever has it, and the
// connection it travels on was accepted by the browser without anybody having clicked a warning away,
// which only a page can be let off. So whoever answers to the name on a strange network gets no ticket.
// In Firefox the guard besides looks at the chain.
import type { Grant } from '../protocol/agent';
import { isFields } from '../protocol/read';

export const kSignInHeader = 'latchkey-sign-in';
const kSessionPath = '/.well-known/latchkey/session';

// A top-level answer.
export interface Answer {
  readonly url: string;
  readonly tabId: number;
  readonly status: number;
  readonly headers: readonly { readonly name: string; readonly value?: string | undefined }[];
}

// What is kept: cookies that do not stay must not make a circle of it.
export interface Attempt {
  readonly grant: string;
  readonly at: number; // milliseconds
}
export type Attempts = Readonly<Record<string, Attempt>>; // by tab

export interface SignInOptions {
  readonly grants: () => Promise<readonly Grant[]>;
  // Asks the agent what there is: it may have told of a new grant, and not been heard yet.
  readonly refresh: () => Promise<void>;
  readonly mint: (grant: Grant, nonce: string | null) => Promise<{ ticket: string; url: string }>;
  // fetch(), as far as it is used here.
  readonly post: (url: string, init: RequestInit) => Promise<Pick<Response, 'status' | 'text'>>;
  // Whether the tab shows this answer, now or in a moment; only then there is something to reload.
  readonly arrived: (tabId: number, url: string) => Promise<boolean>;
  readonly reload: (tabId: number) => Promise<unknown>;
  readonly load: () => Promise<Attempts>;
  readonly save: (attempts: Attempts) => Promise<void>;
  readonly now: () => number; // milliseconds
}

// Whoever answers on the network can make us ask the agent; so often at most.
export const kRefreshEveryMs = 1000;
// Once in this time in one tab.
export const kAgainAfterMs = 30_000;
const kMaxAttempts = 50;
const kMaxAnswer = 1000;

export class SignIn {
  private queue: Promise<unknown> = Promise.resolve();
  private refreshedAt = -Infinity;

  constructor(private readonly options: SignInOptions) {}

  async answered(answer: Answer): Promise<void> {
    if (!asksToSignIn(answer) || answer.tabId < 0) return;
    const opened = await this.inTurn(async () => {
      const grant = await this.grantAt(originOf(answer.url));
      if (grant === undefined || !(await this.isFirst(answer.tabId, grant.id))) return false;
      return this.open(grant);
    });
    if (opened && (await this.options.arrived(answer.tabId, answer.url))) {
      await this.options.reload(answer.tabId);
    }
  }

  private async grantAt(url: string): Promise<Grant | undefined> {
    const known = async (): Promise<Grant | undefined> =>
      (await this.options.grants()).find((one) => isOwn(one) && one.url === url);
    const grant = await known();
    const now = this.options.now();
    if (grant !== undefined || Math.abs(now - this.refreshedAt) < kRefreshEveryMs) return grant;
    this.refreshedAt = now;
    await this.options.refresh();
    return known();
  }

  // A device without a clock asks for one more ticket, with a nonce of its own in it.
  private async open(grant: Grant): Promise<boolean> {
    let nonce: string | null = null;
    for (let tries = 0; tries < 2; tries += 1) {
      const { ticket, url } = await this.options.mint(grant, nonce);
      if (url !== grant.url) return false;
      const answer = await this.options.post(`${grant.url}${kSessionPath}`, {
        method: 'POST',
        headers: { Authorization: `Bearer ${ticket}` },
        credentials: 'include',
        redirect: 'error', // a ticket is never sent on to somewhere else
        cache: 'no-store',
      });
      if (answer.status === 204) return true;
      nonce = answer.status === 401 ? nonceIn(await answer.text()) : null;
      if (nonce === null) return false;
    }
    return false;
  }

  private async isFirst(tabId: number, grant: string): Promise<boolean> {
    const attempts = await this.options.load();
    const now = this.options.now();
    const recent = Object.entries(attempts).filter(
      ([, { at }]) => at <= now && now - at < kAgainAfterMs,
    );
    if (recent.some(([tab, one]) => tab === String(tabId) && one.grant === grant)) return false;
    const kept = Object.fromEntries(recent.slice(-kMaxAttempts));
    await this.options.save({ ...kept, [tabId]: { grant, at: now } });
    return true;
  }

  private async inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.queue.then(work);
    this.queue = turn.catch(() => undefined);
    return turn;
  }
}

function isOwn(grant: Grant): boolean {
  return grant.origin === null && grant.state === 'active';
}

function asksToSignIn({ status, headers }: Answer): boolean {
  return (
    status === 401 &&
    headers.some(({ name, value }) => name.toLowerCase() === kSignInHeader && value === '1')
  );
}

function originOf(url: string): string {
  try {
    return new URL(url).origin;
  } catch {
    return '';
  }
}

function nonceIn(text: string): string | null {
  if (text.length > kMaxAnswer) return null;
  try {
    const answer: unknown = JSON.parse(text);
    const nonce = isFields(answer) && answer['error'] === 'nonce_required' ? answer['nonce'] : null;
    return typeof nonce === 'string' && /^[\w-]{22}$/.test(nonce) ? nonce : null;
  } catch {
    return null;
  }
}

// Tells of every top-level answer that could be meant. Looks only; holds nothing up.
export function watchAnswers(answered: (answer: Answer) => Promise<void>): void {
  // Absent where the browser's manifest does not ask for it.
  const webRequest = chrome.webRequest as typeof chrome.webRequest | undefined;
  webRequest?.onHeadersReceived.addListener(
    ({ url, tabId, statusCode, documentLifecycle, responseHeaders }) => {
      if (statusCode !== 401 || documentLifecycle === 'prerender') return undefined;
      const headers = responseHeaders ?? [];
      answered({ url, tabId, status: statusCode, headers }).catch(() => undefined);
      return undefined;
    },
    { urls: ['https://*.local/*'], types: ['main_frame'] },
    ['responseHeaders'],
  );
}
