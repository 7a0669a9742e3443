// Signing in at a device with the web service's own identity provider (docs/single-sign-on.md). The
// page never sees a token: it carries the provider's answer from its own redirect page to the device,
// which began the sign-in in this very session and takes it from nobody else.

/** What the redirect page sends its answer over: `{search: location.search}`. */
export const kSignInChannel = 'latchkey-sign-in';

const kPath = '/.well-known/latchkey/sso';
const kSilentMs = 15_000;
const kPersonMs = 5 * 60_000;
const kAnswerNames = ['state', 'code', 'iss', 'error'] as const;
// The provider would have to ask the person something (OpenID Connect Core 3.1.2.6).
const kNeedsPerson = [
  'login_required',
  'interaction_required',
  'consent_required',
  'account_selection_required',
];

export interface SignInOptions {
  readonly redirectUri: string;
  readonly issuer?: string;
  readonly silent?: boolean;
}

export interface SignedIn {
  readonly issuer: string;
  readonly user: string;
}

export interface SignOutOptions {
  readonly redirectUri?: string;
}

type Send = (path: string, init?: RequestInit) => Promise<Response>;
type Fields = Readonly<Record<string, unknown>>;

function failed(name: string, why: string): DOMException {
  return new DOMException(`The device did not sign in: ${why}.`, name);
}

async function fieldsOf(response: Response): Promise<Fields> {
  const value: unknown = await response.json().catch(() => null);
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}

const textOf = (value: unknown): string =>
  typeof value === 'string' && /^[a-z_]{1,64}$/.test(value) ? value : 'unknown';

function refusal(status: number, said: Fields): DOMException {
  const why = textOf(said['reason'] ?? said['error']);
  if (status === 404 || why === 'unsupported') return failed('NotSupportedError', why);
  if (status === 504 || status === 503) return failed('NetworkError', why);
  if (status === 403 || status === 401) return failed('NotAllowedError', why);
  return failed(status === 400 ? 'TypeError' : 'OperationError', why);
}

export class SingleSignOn {
  constructor(
    private readonly send: Send,
    private readonly target: Window & typeof globalThis,
  ) {}

  /** Null: silent, and the provider would have had to ask the person. */
  async signIn(options: SignInOptions): Promise<SignedIn | null> {
    const silent = options.silent === true;
    // At once: after the first answer the click does not count any more.
    const window = silent ? null : this.target.open('about:blank', '', 'popup,width=480,height=680');
    if (!silent && window === null) throw failed('NotAllowedError', 'window_blocked');
    try {
      const url = await this.begin(options);
      const answer = await this.carry(url, window);
      const response = await this.post('/finish', answer);
      if (!response.ok) {
        const said = await fieldsOf(response);
        if (silent && kNeedsPerson.includes(textOf(said['reason']))) return null;
        throw refusal(response.status, said);
      }
    } finally {
      window?.close();
    }
    const now = await this.state();
    if (now === null) throw failed('OperationError', 'ended');
    return now;
  }

  async state(): Promise<SignedIn | null> {
    const response = await this.send(kPath);
    const said = await fieldsOf(response);
    if (!response.ok) throw refusal(response.status, said);
    const { issuer, user } = said;
    return typeof issuer === 'string' && typeof user === 'string' ? { issuer, user } : null;
  }

  /** Where the person can sign out at the provider, too; null where there is no such place. */
  async signOut(options: SignOutOptions = {}): Promise<string | null> {
    const { redirectUri } = options;
    const response = await this.post(
      '/out',
      redirectUri === undefined ? {} : { redirect_uri: redirectUri },
    );
    const said = await fieldsOf(response);
    if (!response.ok && said['error'] !== 'not_signed_in') throw refusal(response.status, said);
    const { url } = said;
    return typeof url === 'string' && url.startsWith('https://') ? url : null;
  }

  private async begin({ redirectUri, issuer, silent }: SignInOptions): Promise<string> {
    const response = await this.post('/start', {
      redirect_uri: redirectUri,
      ...(issuer === undefined ? {} : { issuer }),
      silent: silent === true,
    });
    const said = await fieldsOf(response);
    const { url } = said;
    if (!response.ok) throw refusal(response.status, said);
    if (typeof url !== 'string' || !url.startsWith('https://')) {
      throw failed('OperationError', 'malformed');
    }
    return url;
  }

  // Sends the window, or a hidden frame, to the provider, and waits for our own redirect page.
  private carry(url: string, window: Window | null): Promise<Record<string, string>> {
    const { document } = this.target;
    const state = new URL(url).searchParams.get('state');
    const channel = new this.target.BroadcastChannel(kSignInChannel);
    const frame = window === null ? document.createElement('iframe') : null;
    return new Promise<Record<string, string>>((resolve, reject) => {
      const timer = setTimeout(
        () => {
          reject(failed('NetworkError', 'no_answer'));
        },
        window === null ? kSilentMs : kPersonMs,
      );
      const end = (): void => {
        clearTimeout(timer);
      };
      channel.onmessage = ({ data }: MessageEvent<unknown>) => {
        const search: unknown = (data as { search?: unknown } | null)?.search;
        if (typeof search !== 'string') return;
        const sent = new URLSearchParams(search);
        if (state === null || sent.get('state') !== state) return; // another sign-in's
        end();
        const answer: Record<string, string> = {};
        for (const name of kAnswerNames) {
          const value = sent.get(name);
          if (value !== null) answer[name] = value;
        }
        resolve(answer);
      };
      if (window !== null) {
        window.location.replace(url);
      } else if (frame !== null) {
        frame.hidden = true;
        frame.src = url;
        document.body.append(frame);
      }
    }).finally(() => {
      channel.close();
      frame?.remove();
    });
  }

  private post(path: string, body: unknown): Promise<Response> {
    return this.send(`${kPath}${path}`, { method: 'POST', body: JSON.stringify(body) });
  }
}
