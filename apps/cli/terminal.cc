#include "terminal.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <nlohmann/json.hpp>

namespace latchkey::cli {
namespace {

constexpr std::size_t kWidth = 80;
constexpr std::size_t kGap = 2;

volatile std::sig_atomic_t g_interrupted = 0;

void write_out(std::FILE* to, std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), to);
  std::fputc('\n', to);
  std::fflush(to);
}

}  // namespace

Terminal::Terminal(bool json)
    : json_(json),
      colour_(!json && ::isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr) {}

void Terminal::line(std::string_view text) const {
  write_out(stdout, text);
}

void Terminal::document(const nlohmann::json& document) const {
  write_out(stdout, document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

void Terminal::progress(std::string_view text) const {
  write_out(stderr, text);
}

void Terminal::paragraph(std::string_view text, std::size_t indent) const {
  const std::string margin(indent, ' ');
  std::string current = margin;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (current.size() > indent && width_of(current) + 1 + width_of(word) > kWidth) {
      line(current);
      current = margin;
    }
    current += (current.size() > indent ? " " : "");
    current += word;
  }
  line(current);
}

void Terminal::table(const std::vector<std::string>& head,
                     const std::vector<std::vector<std::string>>& rows) const {
  std::vector<std::size_t> widths;
  for (std::size_t column = 0; column < head.size(); ++column) {
    std::size_t widest = width_of(head[column]);
    for (const auto& row : rows) {
      widest = std::max(widest, width_of(row[column]));
    }
    widths.push_back(widest);
  }
  // Too wide: the widest columns give way first.
  const auto total = [&] {
    std::size_t sum = kGap * (widths.size() - 1);
    for (const std::size_t width : widths) {
      sum += width;
    }
    return sum;
  };
  while (total() > kWidth) {
    --*std::max_element(widths.begin(), widths.end());
  }
  const auto row_text = [&](const std::vector<std::string>& row) {
    std::string text;
    for (std::size_t column = 0; column < row.size(); ++column) {
      const std::string cell = cut(row[column], widths[column]);
      text += cell;
      if (column + 1 < row.size()) {
        text += std::string(widths[column] - width_of(cell) + kGap, ' ');
      }
    }
    return text;
  };
  line(strong(row_text(head)));
  for (const auto& row : rows) {
    line(row_text(row));
  }
}

int Terminal::end(const Failure& failure) const {
  if (json_) {
    document({{"error",
               {{"code", failure.code}, {"message", failure.message}, {"hint", failure.hint}}}});
  } else {
    write_out(stderr, failure.message);
    if (!failure.hint.empty()) {
      write_out(stderr, failure.hint);
    }
  }
  return static_cast<int>(failure.exit);
}

std::string Terminal::painted(std::string_view text, const char* colour) const {
  return colour_ ? std::string(colour) + std::string(text) + "\033[0m" : std::string(text);
}
std::string Terminal::strong(std::string_view text) const {
  return painted(text, "\033[1m");
}
std::string Terminal::good(std::string_view text) const {
  return painted(text, "\033[32m");
}
std::string Terminal::bad(std::string_view text) const {
  return painted(text, "\033[31m");
}

bool Terminal::can_ask() {
  return ::isatty(STDIN_FILENO) == 1 && ::isatty(STDERR_FILENO) == 1;
}

std::optional<std::string> Terminal::ask(std::string_view question) {
  std::fwrite(question.data(), 1, question.size(), stderr);
  std::fputc(' ', stderr);
  std::fflush(stderr);
  std::array<char, 600> buffer{};
  if (std::fgets(buffer.data(), buffer.size(), stdin) == nullptr || interrupted()) {
    std::fputc('\n', stderr);
    return std::nullopt;
  }
  std::string text(buffer.data());
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) {
    text.pop_back();
  }
  return text;
}

std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  }));
}

std::string cut(std::string_view text, std::size_t width) {
  if (width_of(text) <= width) {
    return std::string(text);
  }
  std::string out;
  std::size_t taken = 0;
  for (const char c : text) {
    const bool starts = (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
    if (starts && ++taken >= width) {
      break;
    }
    out += c;
  }
  return out + "…";
}

std::string day_of(std::int64_t unix_seconds) {
  if (unix_seconds == 0) {
    return "never";
  }
  const std::time_t time = unix_seconds;
  std::tm parts{};
  std::array<char, 16> text{};
  if (::localtime_r(&time, &parts) == nullptr ||
      std::strftime(text.data(), text.size(), "%Y-%m-%d", &parts) == 0) {
    return "?";
  }
  return text.data();
}

bool interrupted() {
  return g_interrupted != 0;
}

void watch_for_interrupts() {
  struct sigaction action{};
  action.sa_handler = [](int) {
    // A second time: do not wait for anything.
    if (g_interrupted != 0) {
      ::_exit(1);
    }
    g_interrupted = 1;
  };
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

}  // namespace latchkey::cli
