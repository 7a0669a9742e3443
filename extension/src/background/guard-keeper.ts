// Keeps what the guard goes by, also over a restart of the browser, and starts the guard where the
// browser has what it needs. Elsewhere (Chromium) the request rules and the device stand alone.
import type { Grant } from '../protocol/agent';
import { FirefoxGuard, type FirefoxGuardOptions, type FirefoxWebRequest } from './firefox-guard';
import { type Guarded, readGuarded, toGuarded } from './guard';
import { localValue } from './storage';

const kept = localValue<unknown>('guarded', []);

export interface GuardKeeper {
  // Resolves once the guard goes by these grants.
  readonly know: (grants: readonly Grant[]) => Promise<void>;
}

export function startGuard(
  options: Pick<FirefoxGuardOptions, 'heard' | 'refresh'>,
): GuardKeeper | null {
  const webRequest = chrome.webRequest as unknown as FirefoxWebRequest | undefined;
  // Chromium has a webRequest too, but tells nobody which chain a server showed.
  if (typeof webRequest?.getSecurityInfo !== 'function') return null;
  const now = (): number => Math.floor(Date.now() / 1000);
  let guarded: Promise<readonly Guarded[]> = kept.load().then((value) => readGuarded(value) ?? []);
  let text: string | null = null;
  new FirefoxGuard({ ...options, webRequest, guarded: () => guarded, now });
  return {
    know: async (grants) => {
      const next = toGuarded(grants, now());
      guarded = Promise.resolve(next);
      const written = JSON.stringify(next);
      if (written === text) return;
      text = written;
      await kept.save(next);
    },
  };
}
