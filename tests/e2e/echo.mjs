// A service behind a device that says what it is told about who asks: node echo.mjs PORT
//   /drip   an answer that goes on until it is cut
import { createServer } from 'node:http';

createServer((request, response) => {
  const told = Object.fromEntries(Object.entries(request.headers).filter(([name]) => name.startsWith('x-latchkey-')));
  response.setHeader('Content-Type', 'application/json');
  if (request.url === '/drip') {
    const timer = setInterval(() => response.write('.'), 100);
    response.on('close', () => clearInterval(timer));
    return;
  }
  response.end(JSON.stringify(told));
}).listen(Number(process.argv[2]), '127.0.0.1', () => console.log('echo is up'));
