// Where things are on Linux (XDG base directories), and files and folders that others must not
// touch.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "platform/error.h"

namespace latchkey::platform {

// The few variables that decide. A relative or empty value counts as unset, as XDG asks.
struct Environment {
  std::filesystem::path home;
  std::optional<std::filesystem::path> runtime_dir;   // XDG_RUNTIME_DIR
  std::optional<std::filesystem::path> state_home;    // XDG_STATE_HOME
  std::optional<std::filesystem::path> config_home;   // XDG_CONFIG_HOME
  std::optional<std::filesystem::path> agent_socket;  // LATCHKEY_SOCKET
  bool root = false;

  // HOME, else the password database.
  static Environment current();
};

// $LATCHKEY_SOCKET, $XDG_RUNTIME_DIR/latchkey/agent.sock, ~/.local/state/latchkey/run/agent.sock
std::filesystem::path agent_socket_path(const Environment& environment);
// $XDG_STATE_HOME/latchkey, ~/.local/state/latchkey
std::filesystem::path agent_state_folder(const Environment& environment);
// /var/lib/latchkey-device as root, else like the agent's
std::filesystem::path device_state_folder(const Environment& environment);
// $XDG_CONFIG_HOME, ~/.config
std::filesystem::path config_folder(const Environment& environment);

// Makes the folder, and those above it, with mode 0700. One that is there already must be a real
// folder of ours that nobody else can write to (kUnsafe otherwise: what lies in it may have been
// planted); if others could read it, they no longer can.
Result<void, Error> make_private_folder(const std::filesystem::path& folder);

// Replaces the file as a whole: whoever reads it, even after a power cut, finds the old or the new
// contents. A symbolic link at `path` is replaced, not followed.
Result<void, Error> write_file(const std::filesystem::path& path, ByteSpan contents,
                               mode_t mode = 0600);
// Refuses what is not a regular file, and files over `max_bytes` before reading them.
Result<Bytes, Error> read_file(const std::filesystem::path& path, std::size_t max_bytes);

}  // namespace latchkey::platform
