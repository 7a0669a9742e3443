// The guard in Firefox: asks guard.ts about every request to a name under .local and does what it says.
// Every doubt ends in a cancelled request: no answer from the agent in time, no security information,
// an exception.
import {
  type Asked,
  type Guarded,
  type Shown,
  grantsOf,
  judgeChain,
  judgeRequest,
  localHostOf,
} from './guard';

// The part of Firefox's webRequest that is used here.
interface Details extends Asked {
  readonly requestId: string;
}
interface CertificateInfo {
  readonly fingerprint: { readonly sha256: string }; // hex with colons
  readonly subjectPublicKeyInfoDigest: { readonly sha256: string }; // base64
}
interface SecurityInfo {
  readonly state: string;
  readonly certificates: readonly CertificateInfo[];
}
interface Answer {
  readonly cancel?: boolean;
}
interface BlockingEvent {
  addListener(
    listener: (details: Details) => Promise<Answer>,
    filter: { readonly urls: readonly string[] },
    extra: readonly string[],
  ): void;
}
export interface FirefoxWebRequest {
  readonly onBeforeRequest: BlockingEvent;
  readonly onHeadersReceived: BlockingEvent;
  getSecurityInfo(
    requestId: string,
    options: { readonly certificateChain: boolean },
  ): Promise<SecurityInfo>;
}

export interface FirefoxGuardOptions {
  readonly webRequest: FirefoxWebRequest;
  // The grants as last kept or heard.
  readonly guarded: () => Promise<readonly Guarded[]>;
  // Resolves once the agent was heard in this session of the browser, or cannot be.
  readonly heard: () => Promise<unknown>;
  // Asks the agent for one grant anew; guarded() knows it afterwards.
  readonly refresh: (grant: string) => Promise<unknown>;
  readonly now: () => number; // seconds since 1970
}

const kUrls = ['*://*.local/*', '*://*.local./*'];
// For how long a request is held for the agent's sake.
const kHoldMs = 5000;
const kGo: Answer = {};
const kStop: Answer = { cancel: true };

export class FirefoxGuard {
  private readonly refreshing = new Map<string, Promise<unknown>>();

  constructor(private readonly options: FirefoxGuardOptions) {
    const { webRequest } = options;
    const filter = { urls: kUrls };
    webRequest.onBeforeRequest.addListener(
      (details) => closed(this.before(details)),
      filter,
      ['blocking'],
    );
    webRequest.onHeadersReceived.addListener(
      (details) => closed(this.received(details)),
      filter,
      ['blocking'],
    );
  }

  private async before(details: Details): Promise<boolean> {
    let grants = await this.of(details);
    if (grants.length === 0) {
      // Perhaps granted elsewhere while this browser was not running.
      await within(this.options.heard());
      grants = await this.of(details);
    }
    return judgeRequest(grants, details) !== 'cancel';
  }

  private async received(details: Details): Promise<boolean> {
    const grants = await this.of(details);
    const verdict = judgeRequest(grants, details);
    if (verdict !== 'check') return verdict === 'not_ours';
    const info = await this.options.webRequest.getSecurityInfo(details.requestId, {
      certificateChain: true,
    });
    const shown = toShown(info);
    const judged = judgeChain(grants, details, shown);
    if (judged !== 'unknown') return judged === 'pass';
    // The device may have a newer certificate than this browser has heard of.
    await within(Promise.allSettled(grants.map((one) => this.refresh(one.id))));
    return judgeChain(await this.of(details), details, shown) === 'pass';
  }

  private async of(details: Details): Promise<Guarded[]> {
    const host = localHostOf(details.url);
    if (host === null) return [];
    return grantsOf(await this.options.guarded(), host, this.options.now());
  }

  // However many requests wait for it, a grant is asked for once at a time.
  private refresh(grant: string): Promise<unknown> {
    let asking = this.refreshing.get(grant);
    if (asking === undefined) {
      asking = this.options.refresh(grant).finally(() => this.refreshing.delete(grant));
      this.refreshing.set(grant, asking);
    }
    return asking;
  }
}

async function closed(mayGo: Promise<boolean>): Promise<Answer> {
  try {
    return (await mayGo) ? kGo : kStop;
  } catch {
    return kStop;
  }
}

async function within(work: Promise<unknown>): Promise<void> {
  await Promise.race([
    work.catch(() => undefined),
    new Promise((resolve) => setTimeout(resolve, kHoldMs)),
  ]);
}

export function toShown(info: SecurityInfo): Shown {
  return {
    secure: info.state === 'secure',
    chain: info.certificates.map((one) => ({
      digest: base64urlOfHex(one.fingerprint.sha256),
      key: base64urlOfBase64(one.subjectPublicKeyInfoDigest.sha256),
    })),
  };
}

function base64urlOfHex(hex: string): string {
  const digits = hex.replaceAll(':', '');
  const bytes = digits.match(/../g)?.map((pair) => String.fromCharCode(parseInt(pair, 16))) ?? [];
  return base64urlOfBase64(btoa(bytes.join('')));
}

function base64urlOfBase64(text: string): string {
  return text.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}
