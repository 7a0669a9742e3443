#include "passphrase.h"

#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "terminal.h"

namespace latchkey::cli {
namespace {

constexpr std::size_t kLeast = 8;
constexpr std::size_t kMost = 1024;
constexpr std::string_view kOption = "--passphrase-fd";

// A line from the terminal that is not shown; it is shown again however this ends.
class Silence {
 public:
  Silence() {
    if (::tcgetattr(STDIN_FILENO, &before_) == 0) {
      termios silent = before_;
      silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
      changed_ = ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) == 0;
    }
  }
  ~Silence() {
    if (changed_) {
      ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
      ::write(STDERR_FILENO, "\n", 1) < 0 ? void() : void();
    }
  }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;
  Silence(Silence&&) = delete;
  Silence& operator=(Silence&&) = delete;
  [[nodiscard]] bool is_on() const { return changed_; }

 private:
  termios before_{};
  bool changed_ = false;
};

Result<std::string> asked(std::string_view question, std::string_view option) {
  const Silence silence;
  if (!silence.is_on()) {
    return fail(
        usage("The terminal cannot hide what is typed.", "Use " + std::string(option) + "."));
  }
  auto text = Terminal::ask(question);
  if (!text) {
    return fail(failure_from("cancelled", "Stopped."));
  }
  return *std::move(text);
}

// What cannot travel as JSON would be another passphrase on arrival.
bool is_utf8(const std::string& text) {
  const nlohmann::json value = text;
  return nlohmann::json::parse(
             value.dump(-1, ' ', false, nlohmann::json::error_handler_t::ignore)) == value;
}

// Byte by byte: what follows the line is somebody else's.
Result<std::string> read_from(int fd, std::string_view option) {
  std::string text;
  text.reserve(kMost + 2);
  std::array<char, 1> byte{};
  while (text.size() <= kMost) {
    const ssize_t got = ::read(fd, byte.data(), 1);
    if (got < 0 && errno == EINTR && !interrupted()) {
      continue;
    }
    if (got < 0) {
      return fail(usage("It could not be read.",
                        "Is what " + std::string(option) + " names open for reading?"));
    }
    if (got == 0 || byte[0] == '\n') {
      break;
    }
    text.push_back(byte[0]);
  }
  return text;
}

}  // namespace

Result<std::string> read_secret(int fd, std::string_view question, std::string_view option) {
  return fd >= 0               ? read_from(fd, option)
         : Terminal::can_ask() ? asked(question, option)
                               : fail(usage("There is nobody to be asked for it.",
                                            "Give it with " + std::string(option) + " N."));
}

Result<std::string> read_passphrase(int fd, std::string_view question, Passphrase which) {
  const bool is_new = which == Passphrase::kNew;
  auto text = read_secret(fd, question, kOption);
  if (!text) {
    return text;
  }
  if (text->size() > kMost || (is_new && text->size() < kLeast) || text->empty()) {
    return fail(usage("A passphrase has 8 to 1024 characters.",
                      "Several words that you can remember are good."));
  }
  if (!is_utf8(*text) || text->find('\0') != std::string::npos) {
    return fail(usage("The passphrase is no text.", "Use letters, digits and signs."));
  }
  if (is_new && fd < 0) {
    auto again = asked("Once more:", kOption);
    if (!again) {
      return again;
    }
    const bool same = *again == *text;
    wipe_text(*again);
    if (!same) {
      return fail(usage("Those were two different passphrases.", "Run the command again."));
    }
  }
  return text;
}

void wipe_text(std::string& text) {
  SecretBytes::take(std::move(text));
  text.clear();
}

}  // namespace latchkey::cli
