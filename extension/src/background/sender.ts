// Who is speaking, by what the browser says about a message's sender and nothing else.
import { isWebOrigin } from '../protocol/agent';

export interface Sender {
  readonly id?: string | undefined;
  readonly origin?: string | undefined;
  readonly url?: string | undefined;
  readonly frameId?: number | undefined;
  readonly documentId?: string | undefined;
  readonly documentLifecycle?: string | undefined;
  readonly tab?: { readonly id?: number | undefined; readonly windowId?: number } | undefined;
}

export interface Page {
  readonly origin: string;
  readonly tabId: number;
  readonly documentId: string | null;
}

// A web page in a tab's top frame, in view (not a prerendered or frozen one), with a tuple origin
// in a secure context. Sandboxed documents have the origin "null" and fail here.
export function pageOf(sender: Sender, extensionId: string): Page | null {
  const tabId = sender.tab?.id;
  if (sender.id !== extensionId || tabId === undefined || tabId < 0) return null;
  if (sender.frameId !== 0) return null;
  if (sender.documentLifecycle !== undefined && sender.documentLifecycle !== 'active') return null;
  if (sender.origin === undefined || !isWebOrigin(sender.origin)) return null;
  return { origin: sender.origin, tabId, documentId: sender.documentId ?? null };
}

// One of the extension's own pages; `pageUrl` without query and fragment.
export function isOwnPage(sender: Sender, extensionId: string, pageUrl: string): boolean {
  if (sender.id !== extensionId || sender.url === undefined) return false;
  return sender.url.replace(/[?#].*$/s, '') === pageUrl && (sender.frameId ?? 0) === 0;
}
