#include "context.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "store/provider_store.h"

namespace latchkey::providerd {
namespace {

using nlohmann::json;
using provider::ErrorCode;

constexpr std::size_t kWidth = 80;

const char* name_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalid:
      return "invalid";
    case ErrorCode::kNotFound:
      return "not_found";
    case ErrorCode::kConflict:
      return "conflict";
    case ErrorCode::kForbidden:
      return "forbidden";
    case ErrorCode::kUnreachable:
      return "unreachable";
    case ErrorCode::kInternal:
      break;
  }
  return "internal";
}

// Columns on a terminal: characters, for the widths that names have in practice.
std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string cut(const std::string& text, std::size_t width) {
  if (width_of(text) <= width) {
    return text + std::string(width - width_of(text), ' ');
  }
  std::string kept;
  std::size_t count = 0;
  for (const char c : text) {
    if ((c & 0xc0) != 0x80 && ++count >= width) {
      break;
    }
    kept += c;
  }
  return kept + "\u2026";
}

std::string this_user() {
  if (const passwd* user = ::getpwuid(::getuid())) {
    return user->pw_name;
  }
  return "uid " + std::to_string(::getuid());
}

}  // namespace

provider::Records* records(Context& context) {
  if (!context.opened) {
    auto store = store::ProviderStore::open(context.database);
    if (!store) {
      complain(context, store.error());
      return nullptr;
    }
    context.opened = std::move(*store);
  }
  return context.opened.get();
}

provider::Act act(const Context& context) {
  return {context.as.empty() ? this_user() : context.as, "local", context.reason,
          context.clock.wall_now()};
}

void complain(Context& context, const provider::Error& error) {
  if (context.json) {
    const json document = {{"error", {{"code", name_of(error.code)}, {"message", error.detail}}}};
    std::cout << document.dump(-1, ' ', false, json::error_handler_t::replace) << '\n';
  } else {
    std::cerr << "latchkey-provider: " << error.detail << '\n';
  }
  const bool misused = error.code == ErrorCode::kInvalid;
  context.exit = misused                                 ? kMisused
                 : error.code == ErrorCode::kUnreachable ? kNotReachable
                                                         : kFailed;
}

void answer(Context& context, const json& document, const std::string& text) {
  if (context.json) {
    std::cout << document.dump(-1, ' ', false, json::error_handler_t::replace) << '\n';
  } else {
    std::cout << text << (text.empty() || text.back() == '\n' ? "" : "\n");
  }
  if (!std::cout.flush()) {
    context.exit = kFailed;
  }
}

std::string table(const std::vector<std::string>& head,
                  const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const std::string& name : head) {
    widths.push_back(width_of(name));
  }
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], width_of(row[i]));
    }
  }
  std::size_t total = 2 * (widths.size() - 1);
  for (const std::size_t width : widths) {
    total += width;
  }
  while (total > kWidth && widths.size() > 1) {
    const auto widest = std::max_element(widths.begin() + 1, widths.end());
    if (*widest <= 8) {
      break;
    }
    --*widest;
    --total;
  }
  const auto line = [&](const std::vector<std::string>& row) {
    std::string text;
    for (std::size_t i = 0; i < row.size(); ++i) {
      text +=
          (i == 0 ? "" : "  ") +
          (i + 1 == row.size() && width_of(row[i]) <= widths[i] ? row[i] : cut(row[i], widths[i]));
    }
    return text + "\n";
  };
  std::string text = line(head);
  for (const auto& row : rows) {
    text += line(row);
  }
  return text;
}

std::string time_text(WallTime time) {
  const std::time_t seconds_since = time.unix_seconds;
  std::tm parts{};
  ::gmtime_r(&seconds_since, &parts);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M", &parts);
  return text.data();
}

std::optional<std::string> read_input(Context& context, const std::string& file,
                                      std::size_t max_bytes) {
  std::ifstream opened;
  if (file != "-") {
    opened.open(file, std::ios::binary);
  }
  std::istream& in = file == "-" ? std::cin : opened;
  std::string text(max_bytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.size() > max_bytes) {
    complain(context,
             {ErrorCode::kInvalid, file + " is over " + std::to_string(max_bytes) + " bytes"});
    return std::nullopt;
  }
  if (in.bad() || (file != "-" && !opened.is_open())) {
    complain(context, {ErrorCode::kNotFound, file + " cannot be read"});
    return std::nullopt;
  }
  return text;
}

}  // namespace latchkey::providerd
