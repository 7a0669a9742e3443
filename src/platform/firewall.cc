// What this computer's firewalls let in, from the files a user may read.
#include <algorithm>
#include <iterator>
#include <sstream>

#include "platform/house_checks.h"
#include "platform/paths.h"

namespace fs = std::filesystem;

namespace latchkey::platform {
namespace {

constexpr std::size_t kMaxFile = 1U << 20U;

struct Text {
  bool there = false;
  std::optional<std::string> text;  // nothing: missing, or not for us to read
};

Text look_into(const fs::path& path) {
  std::error_code error;
  const bool there = fs::exists(path, error);
  if (const auto contents = read_file(path, kMaxFile)) {
    return {true, std::string(as_text(*contents))};
  }
  // A folder that we may not enter hides whether the file is there.
  return {there || error == std::errc::permission_denied, std::nullopt};
}

// Lines without what follows '#', and not empty.
std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  std::string line;
  while (std::getline(in, line)) {
    line = line.substr(0, line.find('#'));
    if (line.find_first_not_of(" \t") != std::string::npos) {
      lines.push_back(line);
    }
  }
  return lines;
}

bool any_line(const std::string& text, std::initializer_list<const char*> words) {
  const auto lines = lines_of(text);
  return std::any_of(lines.begin(), lines.end(), [&](const std::string& line) {
    return std::all_of(words.begin(), words.end(),
                       [&](const char* word) { return line.find(word) != std::string::npos; });
  });
}

// "KEY=value", with or without quotation marks; the last one counts.
std::string setting(const std::string& text, const std::string& key) {
  std::string value;
  for (const std::string& line : lines_of(text)) {
    const auto start = line.find_first_not_of(" \t");
    if (line.compare(start, key.size(), key) == 0 && line[start + key.size()] == '=') {
      value = line.substr(start + key.size() + 1);
      std::erase_if(value, [](char c) { return c == '"' || c == '\'' || c == ' ' || c == '\r'; });
    }
  }
  return value;
}

// ufw lets multicast DNS in by a line of its before.rules, unless somebody took it out.
std::optional<Firewall> read_ufw(const fs::path& root) {
  const Text conf = look_into(root / "etc/ufw/ufw.conf");
  if (!conf.text || setting(*conf.text, "ENABLED") != "yes") {
    return std::nullopt;
  }
  Firewall ufw{"ufw", std::nullopt, "switched on"};
  const Text before = look_into(root / "etc/ufw/before.rules");
  const Text users = look_into(root / "etc/ufw/user.rules");
  const bool opened = (before.text && any_line(*before.text, {"--dport 5353", "-j ACCEPT"})) ||
                      (users.text && any_line(*users.text, {"--dport 5353", "-j ACCEPT"}));
  if (opened) {
    ufw.opens = true;
    ufw.detail += ", lets UDP 5353 in";
  } else if (before.text && users.text) {
    ufw.opens = false;
    ufw.detail += ", without a rule that lets UDP 5353 in";
  } else {
    ufw.detail += "; its rules can be read by root only (sudo ufw status)";
  }
  return ufw;
}

std::optional<Firewall> read_firewalld(const fs::path& root) {
  if (!look_into(root / "run/firewalld.pid").there) {
    return std::nullopt;
  }
  Firewall firewalld{"firewalld", std::nullopt, "running"};
  const Text conf = look_into(root / "etc/firewalld/firewalld.conf");
  const std::string zone = conf.text ? setting(*conf.text, "DefaultZone") : "";
  if (zone.empty() || zone.find('/') != std::string::npos) {
    firewalld.detail += "; its zones can be read by root only (sudo firewall-cmd --list-all)";
    return firewalld;
  }
  Text rules = look_into(root / "etc/firewalld/zones" / (zone + ".xml"));
  if (!rules.there) {
    rules = look_into(root / "usr/lib/firewalld/zones" / (zone + ".xml"));
  }
  firewalld.detail += ", zone " + zone;
  if (!rules.text) {
    firewalld.detail += ", which can be read by root only";
    return firewalld;
  }
  const auto has = [&](const char* word) { return rules.text->find(word) != std::string::npos; };
  firewalld.opens =
      has("<service name=\"mdns\"") || has("port=\"5353\"") || has("target=\"ACCEPT\"");
  firewalld.detail += *firewalld.opens ? ", lets mdns in" : ", does not let mdns in";
  return firewalld;
}

bool is_plain(const std::string& word) {
  return !word.empty() && word.size() <= 64 && std::all_of(word.begin(), word.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
}

// "inet filter input": family, table and name of the first chain for what comes in. Nothing where
// there is none, or where it is not called by plain words: people type it into a shell.
std::string input_chain(const std::string& conf) {
  std::string spaced;
  for (const std::string& line : lines_of(conf)) {
    for (const char c : line + '\n') {
      spaced += c == '{' || c == '}' || c == ';' ? std::string(" ") + c + ' ' : std::string(1, c);
    }
  }
  std::istringstream in(spaced);
  std::vector<std::string> words(std::istream_iterator<std::string>(in), {});
  words.insert(words.end(), 4, "");
  std::string table;
  std::string chain;
  for (std::size_t i = 0; i + 4 < words.size(); ++i) {
    if (words[i] == "table" && words[i + 2] == "{") {
      table = is_plain(words[i + 1]) ? "ip " + words[i + 1] : "";
    } else if (words[i] == "table" && words[i + 3] == "{") {
      const bool plain = is_plain(words[i + 1]) && is_plain(words[i + 2]);
      table = plain ? words[i + 1] + " " + words[i + 2] : "";
    } else if (words[i] == "chain" && words[i + 2] == "{") {
      chain = is_plain(words[i + 1]) ? words[i + 1] : "";
    } else if (words[i] == "hook" && words[i + 1] == "input") {
      return table.empty() || chain.empty() ? "" : table + " " + chain;
    }
  }
  return "";
}

// Debian's service for /etc/nftables.conf. What else may have loaded rules, only root can see.
std::optional<Firewall> read_nftables(const fs::path& root) {
  std::error_code ignored;
  if (!fs::is_symlink(root / "etc/systemd/system/sysinit.target.wants/nftables.service", ignored)) {
    return std::nullopt;
  }
  const Text conf = look_into(root / "etc/nftables.conf");
  Firewall nftables{"nftables", std::nullopt, "loads /etc/nftables.conf at start"};
  if (!conf.text) {
    nftables.detail += ", which can be read by root only (sudo nft list ruleset)";
    return nftables;
  }
  nftables.chain = input_chain(*conf.text);
  const auto some = [&](std::initializer_list<const char*> words) {
    return any_line(*conf.text, words);
  };
  if (some({"5353", "accept"}) || some({"mdns", "accept"})) {
    nftables.opens = true;
    nftables.detail += ", which lets UDP 5353 in";
  } else if (!some({"drop"}) && !some({"reject"})) {
    nftables.opens = true;
    nftables.detail += ", which keeps nothing out";
  } else if (some({"hook input", "policy drop"})) {
    nftables.opens = false;
    nftables.detail += ", which keeps out what it does not name, and does not name UDP 5353";
  }
  return nftables;
}

}  // namespace

std::vector<Firewall> read_firewalls(const fs::path& root) {
  std::vector<Firewall> found;
  for (auto* const read : {read_ufw, read_firewalld, read_nftables}) {
    if (auto one = read(root)) {
      found.push_back(*std::move(one));
    }
  }
  return found;
}

}  // namespace latchkey::platform
