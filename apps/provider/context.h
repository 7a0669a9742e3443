// What all commands of latchkey-provider share: where the records are, who does something and why,
// and how answers are printed.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "provider/records.h"

namespace latchkey::providerd {

// The exit codes of all programs.
inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;
inline constexpr int kMisused = 2;
inline constexpr int kNotReachable = 3;

struct Context {
  Clock& clock;
  Random& random;
  std::string database = {};  // store/provider_store.h says what it may be
  std::string as = {};        // who does it; empty: this user's name
  std::string reason = {};
  bool json = false;
  bool allow_private = false;  // web origins may be on private addresses
  std::string ca_file = {};    // instead of the system's roots, for web origins
  int exit = kDone;            // what a command's callback leaves here

  std::unique_ptr<provider::Records> opened = nullptr;  // see records()
};

// Opened at first use. Nothing: it has said why, and set the exit code.
provider::Records* records(Context& context);

// In the name of `--as`, with role "local" (whoever can open the database may do everything).
provider::Act act(const Context& context);

// Says what went wrong, as a sentence or as {"error": {code, message}}, and sets the exit code.
void complain(Context& context, const provider::Error& error);

// One JSON document, where --json was given, else the sentence or the table.
void answer(Context& context, const nlohmann::json& document, const std::string& text);

// Lines that fit 80 columns: the widest column is cut where they do not ("…"), but never the first.
std::string table(const std::vector<std::string>& head,
                  const std::vector<std::vector<std::string>>& rows);
std::string time_text(WallTime time);  // "2026-11-27 01:44", UTC

// A file, or standard input for "-". Nothing: it has said why.
std::optional<std::string> read_input(Context& context, const std::string& file,
                                      std::size_t max_bytes);

}  // namespace latchkey::providerd
