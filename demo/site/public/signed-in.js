// Where the provider sends people back to: hands its answer over, out of the history, and goes.
const channel = new BroadcastChannel('latchkey-sign-in');
channel.postMessage({ search: location.search });
channel.close();
history.replaceState(null, '', location.pathname);
if (window === window.top) window.close();
