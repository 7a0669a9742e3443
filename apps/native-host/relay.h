// Bytes between the browser's pipe and the agent's socket.
#pragma once

namespace latchkey::native_host {

// Passes on everything in both directions until one side ends. Blocks. False when a side broke.
bool relay(int browser_in, int browser_out, int agent);

}  // namespace latchkey::native_host
