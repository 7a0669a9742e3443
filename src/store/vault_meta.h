// The rows of `meta`: what a store says about itself. Internal to src/store; everything throws.
#pragma once

#include <string>
#include <utility>

#include "store/database.h"
#include "store/table.h"

namespace latchkey::store {

template <class T>
T take(Result<T> result) {
  if (!result) {
    throw Failure{std::move(result).error()};
  }
  return *std::move(result);
}

void put_meta(Database& database, const std::string& name, ByteSpan value);
Bytes get_meta(Database& database, const std::string& name);  // kCorrupt: it is not there
bool has_meta(Database& database, const std::string& name);
void erase_meta(Database& database, const std::string& name);

}  // namespace latchkey::store
