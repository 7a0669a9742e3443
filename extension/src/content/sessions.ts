// Sessions at devices: a ticket from the agent, exchanged at the device for a cookie that only the
// browser holds (docs/protocol.md sections 6 and 8). A session lives an hour at most, so it is made
// anew well before that, for as long as the page lives.
import { type ContentReply, type Failure, readNonce } from '../protocol/internal';
import { isFields, readFields, readMatch } from '../protocol/read';

export const kRefreshMs = 45 * 60_000;
const kPath = '/.well-known/latchkey/session';
// Long, because the browser may be asking its own question about the local network meanwhile.
const kPatienceMs = 120_000;

// Where the session is open, or why it is not.
export type Opened = { readonly url: string } | { readonly failure: Failure };

interface Held {
  openedAt: number;
  timer: ReturnType<typeof setTimeout>;
}

export class Sessions {
  private readonly held = new Map<string, Held>();
  private readonly opening = new Map<string, Promise<Opened>>();

  constructor(
    private readonly mint: (
      device: string,
      nonce: string | null,
      failed: boolean,
    ) => Promise<ContentReply>,
  ) {}

  // Calls at the same time share one exchange. `failed`: the device could not be reached; the agent
  // looks after it first.
  open(device: string, failed = false): Promise<Opened> {
    const key = failed ? `${device} failed` : device;
    let exchange = this.opening.get(key);
    if (exchange === undefined) {
      exchange = this.exchange(device, failed).finally(() => this.opening.delete(key));
      this.opening.set(key, exchange);
    }
    return exchange;
  }

  end(device: string): void {
    clearTimeout(this.held.get(device)?.timer);
    this.held.delete(device);
  }

  // Timers stand still in a sleeping computer and a frozen page.
  wake(): void {
    for (const [device, { openedAt }] of this.held) {
      if (Date.now() - openedAt >= kRefreshMs) void this.open(device);
    }
  }

  private async exchange(device: string, failed: boolean): Promise<Opened> {
    let nonce: string | null = null;
    for (let attempt = 0; attempt < 2; attempt += 1) {
      const minted = await this.mint(device, nonce, failed && attempt === 0);
      if (!minted.ok) return { failure: minted.failure };
      const { ticket, url } = readMinted(minted.value);
      let response: Response;
      try {
        response = await postTicket(url, ticket);
      } catch {
        return { failure: 'unreachable' };
      }
      if (response.status === 204) {
        this.keep(device);
        return { url };
      }
      nonce = response.status === 401 ? await nonceIn(response) : null;
      if (nonce === null) return { failure: 'denied' };
    }
    return { failure: 'denied' };
  }

  private keep(device: string): void {
    this.end(device);
    const timer = setTimeout(() => void this.open(device), kRefreshMs);
    this.held.set(device, { openedAt: Date.now(), timer });
  }
}

function postTicket(url: string, ticket: string): Promise<Response> {
  return fetch(url + kPath, {
    method: 'POST',
    mode: 'cors',
    credentials: 'include',
    redirect: 'error', // a ticket is never sent on to somewhere else
    cache: 'no-store',
    referrerPolicy: 'no-referrer',
    headers: { Authorization: `Bearer ${ticket}` },
    signal: AbortSignal.timeout(kPatienceMs),
  });
}

function readMinted(value: unknown): { ticket: string; url: string } {
  const minted = readFields(value, 'minted');
  return {
    ticket: readMatch(minted['ticket'], 'ticket', /^[\w.-]+$/, 4096),
    url: readMatch(minted['url'], 'url', /^https:\/\/[a-z0-9-]+\.local(:[0-9]{1,5})?$/, 100),
  };
}

// A device that does not know the time asks for a ticket with its nonce in it.
export async function nonceIn(response: Response): Promise<string | null> {
  try {
    const text = await response.text();
    if (text.length > 1024) return null;
    const body: unknown = JSON.parse(text);
    if (!isFields(body) || body['error'] !== 'nonce_required') return null;
    return readNonce(body['nonce']);
  } catch {
    return null;
  }
}
