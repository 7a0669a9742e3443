// Who is speaking, by what the browser says about a message's sender and nothing else.
import { isWebOrigin } from '../protocol/agent';
import { readContentMessage } from '../protocol/internal';

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

// A web page in a tab's top frame with a tuple origin in a secure context. Sandboxed documents have
// the origin "null" and fail here.
export function pageOf(sender: Sender, extensionId: string): Page | null {
  const tabId = sender.tab?.id;
  if (sender.id !== extensionId || tabId === undefined || tabId < 0) return null;
  if (sender.frameId !== 0) return null;
  if (sender.origin === undefined || !isWebOrigin(sender.origin)) return null;
  return { origin: sender.origin, tabId, documentId: sender.documentId ?? null };
}

// Neither prerendered, nor frozen, nor on its way out.
export function isLive(sender: Sender): boolean {
  return sender.documentLifecycle === undefined || sender.documentLifecycle === 'active';
}

// A page's last word, that its question needs no answer. The browser has taken the document out of the
// tab by then and calls it a frame of another number, so the token, which only the content script that
// asked knows, says who it is; all it can do is to close that question.
export function leftBy(
  sender: Sender,
  extensionId: string,
  raw: unknown,
): { readonly token: string; readonly tabId: number } | null {
  const tabId = sender.tab?.id;
  if (sender.id !== extensionId || tabId === undefined) return null;
  try {
    const message = readContentMessage(raw);
    return message.kind === 'left' ? { token: message.token, tabId } : null;
  } catch {
    return null;
  }
}

// One of the extension's own pages; `pageUrl` without query and fragment.
export function isOwnPage(sender: Sender, extensionId: string, pageUrl: string): boolean {
  if (sender.id !== extensionId || sender.url === undefined) return false;
  return sender.url.replace(/[?#].*$/s, '') === pageUrl && (sender.frameId ?? 0) === 0;
}
