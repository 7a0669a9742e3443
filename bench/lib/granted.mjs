// A device with a real permission, and the session of a page that has it.
import { Agent, request } from 'node:https';
import { AgentConnection, openWindow, scratch, startAgent, stop } from './processes.mjs';

export const site = 'https://video.example';

function post(device, host, ticket) {
  return new Promise((done, failed) => {
    const asked = request({
      host: '127.0.0.1', port: device.port, servername: host, method: 'POST', path: '/.well-known/latchkey/session',
      headers: { Host: host, Origin: site, Authorization: `Bearer ${ticket}` },
      // This client is not what is measured, and whom it speaks to was settled by pairing.
      agent: new Agent({ rejectUnauthorized: false }),
    }, (answer) => {
      let text = '';
      answer.on('data', (piece) => { text += piece; });
      answer.on('end', () => done({ status: answer.statusCode, fields: answer.headers, text }));
    });
    asked.on('error', failed);
    asked.end();
  });
}

/** Pairs `device` with an agent of its own. `session()` opens one and gives its cookie. */
export async function grant(device) {
  const agent = await startAgent(scratch(), device.port);
  const connection = await AgentConnection.open(agent.socket);
  await connection.call('discover.start', { type: 'media-cache' });
  const found = await connection.event((event) => event.event === 'discover.found');
  const { code } = openWindow(device);
  const { session } = await connection.call('pair.begin', { origin: site, type: 'media-cache', key: found.params.device.key });
  await connection.call('pair.code', { session, code });
  const end = await connection.event((event) => event.event === 'pair.done' || event.event === 'pair.failed');
  if (end.event !== 'pair.done') throw new Error(JSON.stringify(end.params));
  const { id, host } = end.params.grant;
  return {
    host,
    async session() {
      const mint = async (more) => (await connection.call('ticket.mint', { id, origin: site, ...more })).ticket;
      let answer = await post(device, host, await mint({}));
      if (answer.status === 401) {
        answer = await post(device, host, await mint({ nonce: JSON.parse(answer.text).nonce }));
      }
      if (answer.status !== 204) throw new Error(`no session: ${answer.status} ${answer.text}`);
      return answer.fields['set-cookie'][0].split(';')[0];
    },
    async leave() {
      connection.close();
      await stop(agent);
    },
  };
}
