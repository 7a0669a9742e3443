// What the command line writes and asks: results on standard output, all else on standard error;
// colour only on a terminal.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "outcome.h"

namespace latchkey::cli {

class Terminal {
 public:
  explicit Terminal(bool json);
  [[nodiscard]] bool json() const { return json_; }

  void line(std::string_view text) const;               // a result
  void document(const nlohmann::json& document) const;  // the one JSON document
  void progress(std::string_view text) const;           // on standard error
  // A result in lines of 80 characters, each begun with so many blanks.
  void paragraph(std::string_view text, std::size_t indent) const;
  // Columns cut so that a row fits 80 characters; the last one may use what is left.
  void table(const std::vector<std::string>& head,
             const std::vector<std::vector<std::string>>& rows) const;
  int end(const Failure& failure) const;

  [[nodiscard]] std::string strong(std::string_view text) const;
  [[nodiscard]] std::string good(std::string_view text) const;
  [[nodiscard]] std::string bad(std::string_view text) const;

  // Whether somebody is there to be asked.
  [[nodiscard]] static bool can_ask();
  // A line from the terminal; nothing at its end or after Ctrl-C.
  [[nodiscard]] static std::optional<std::string> ask(std::string_view question);

 private:
  [[nodiscard]] std::string painted(std::string_view text, const char* colour) const;
  bool json_;
  bool colour_;
};

// Cells of a terminal that a text takes: characters, not bytes.
std::size_t width_of(std::string_view text);
std::string cut(std::string_view text, std::size_t width);
// "2026-11-30", in local time; "never" for 0.
std::string day_of(std::int64_t unix_seconds);

// Ctrl-C was pressed. Waiting calls end with EINTR.
bool interrupted();
void watch_for_interrupts();

}  // namespace latchkey::cli
