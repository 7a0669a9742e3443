// Runs inside the home computer's namespaces, beside Firefox, whose WebDriver BiDi socket is out of reach
// from outside: starts Firefox, then passes messages on, one JSON text a line.
//
//   node firefox-driver.mjs FIREFOX ARGUMENT...
//
// Standard input and output carry the messages; what Firefox says goes to standard error. The end of
// standard input ends Firefox, however it came about.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import WebSocket from 'ws';

const [program, ...words] = process.argv.slice(2);
const firefox = spawn(program, [...words, '--remote-debugging-port', '0'], { stdio: ['ignore', 'ignore', 'pipe'], detached: true });

let ending = false;
function end(code) {
  if (ending) return;
  ending = true;
  const kill = (signal) => {
    try {
      process.kill(-firefox.pid, signal);
    } catch {
      // Gone already, with all its children.
    }
  };
  const over = () => {
    kill('SIGKILL');
    process.exit(code);
  };
  if (firefox.exitCode !== null || firefox.signalCode !== null) over();
  firefox.once('exit', over);
  kill('SIGTERM');
  setTimeout(over, 4000);
}

firefox.on('error', (error) => {
  console.error(error.message);
  end(127);
});
firefox.on('exit', () => end(0));
process.stdin.on('end', () => end(0));
process.stdin.on('error', () => end(0));
process.stdout.on('error', () => end(0));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => end(0));

const address = await new Promise((resolve) => {
  createInterface({ input: firefox.stderr }).on('line', (line) => {
    const match = /^WebDriver BiDi listening on (ws:\/\/\S+)/.exec(line);
    if (match) resolve(match[1]);
    else console.error(line);
  });
});
const socket = new WebSocket(`${address}/session`, { perMessageDeflate: false, maxPayload: 256 * 1024 * 1024 });
socket.on('open', () => {
  createInterface({ input: process.stdin }).on('line', (line) => socket.send(line));
});
socket.on('message', (data) => process.stdout.write(`${data}\n`));
socket.on('error', (error) => {
  console.error(error.message);
  end(1);
});
socket.on('close', () => end(0));
