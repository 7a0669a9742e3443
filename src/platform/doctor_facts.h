// Reads from this computer what checks.h judges.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "platform/checks.h"
#include "platform/paths.h"

namespace latchkey::platform {

struct DoctorQuestion {
  Environment environment;
  std::filesystem::path agent_socket;
  // The agent itself asks: then it runs.
  bool asked_by_agent = false;
  std::optional<Bytes> root;               // DER; nothing before set-up
  std::optional<FineTime> root_installed;  // when set-up put it there
  std::vector<std::filesystem::path> more_databases;
  std::vector<std::filesystem::path> more_user_data;
  std::string extension_id;
  WallTime known_past;                 // as in Facts
  std::filesystem::path system = "/";  // under which the system's own files are
};

// Blocks, for NSS and for up to a second per name server: call it from the worker thread.
Facts read_facts(const DoctorQuestion& question);

// This user's browsers of the Chromium family, from /proc: the main process of each.
std::vector<BrowserProcess> running_browsers();

// Whether something accepts connections on a Unix socket.
bool socket_answers(const std::filesystem::path& path);

}  // namespace latchkey::platform
