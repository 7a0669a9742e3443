// Reading the files of tests/data.
#pragma once

#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

#include "base/bytes.h"

namespace latchkey::testing {

// `name` is relative to tests/data.
inline Bytes read_data(const std::string& name) {
  std::ifstream file(std::string(LATCHKEY_SOURCE_DIR) + "/tests/data/" + name, std::ios::binary);
  if (!file) {
    throw std::runtime_error("no test data: " + name);
  }
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace latchkey::testing
