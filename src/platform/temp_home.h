// For tests: a home folder of one's own that goes away again, and programs to compare with.
#pragma once

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "base/result.h"
#include "platform/paths.h"

namespace latchkey::platform {

class TempHome {
 public:
  TempHome() {
    std::string name = (std::filesystem::temp_directory_path() / "latchkey-home-XXXXXX").string();
    LATCHKEY_CHECK(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TempHome() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempHome(const TempHome&) = delete;
  TempHome& operator=(const TempHome&) = delete;
  TempHome(TempHome&&) = delete;
  TempHome& operator=(TempHome&&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] Environment environment() const {
    Environment environment;
    environment.home = path_;
    return environment;
  }

 private:
  std::filesystem::path path_;
};

inline std::string output_of(const std::string& command) {
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  std::string text;
  std::array<char, 4096> buffer{};
  while (pipe != nullptr && std::fgets(buffer.data(), buffer.size(), pipe) != nullptr) {
    text += buffer.data();
  }
  if (pipe != nullptr) {
    ::pclose(pipe);
  }
  return text;
}

inline std::string contents_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace latchkey::platform
