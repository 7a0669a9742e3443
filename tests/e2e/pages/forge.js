// Speaks to the content script as the extension's own page script does, and lies.
// Runs while the page loads, so that no gesture is there to help it. The
// fragment says whose device it is after: #ID,URL.
const [id, url] = location.hash.slice(1).split(',').map(decodeURIComponent);
const origin = 'https://video.example';
const target = { id, url, type: 'media-cache' };
window.got = [];
const { port1, port2 } = new MessageChannel();
port1.onmessage = ({ data }) => window.got.push(data);
window.postMessage('latchkey:connect:1', location.origin, [port2]);
const calls = [
  { method: 'list' },
  { method: 'list', origin },
  { method: 'open', device: id, origin },
  { method: 'status', device: id },
  { method: 'forget', device: id },
  { method: 'ticket', device: id, nonce: null },
  { method: 'request', types: ['media-cache'], origin, gesture: true, isTrusted: true },
  { kind: 'ticket', device: id, nonce: null },
  { kind: 'outcome', token: '0'.repeat(32), device: target },
  { kind: 'home.revoke', grant: '0'.repeat(32) },
  null,
  'list',
  { method: '__proto__' },
  { method: 'list', call: -1 },
];
calls.forEach((call, index) => port1.postMessage(call && typeof call === 'object' ? { call: index, ...call } : call));
for (const message of [{ kind: 'outcome', token: 'x', device: target }, { event: 'revoked', device: id }]) {
  window.postMessage(message, location.origin);
}
