// fill_grants STATE WITNESSES COUNT: an agent's store with that many grants.
// fill_grants --device STATE COUNT: a device's. For bench/many_grants.mjs.
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string_view>

#include "filled_device.h"
#include "filled_store.h"
#include "support/fake_random.h"

int main(int argc, char** argv) {
  const long count = argc == 4 ? std::strtol(argv[3], nullptr, 10) : 0;
  if (count < 1) {
    std::fprintf(stderr, "use: fill_grants STATE WITNESSES COUNT | --device STATE COUNT\n");
    return 2;
  }
  latchkey::testing::FakeRandom random;
  const latchkey::WallTime now{std::time(nullptr)};
  if (std::string_view(argv[1]) == "--device") {
    latchkey::bench::fill_device(argv[2], static_cast<std::size_t>(count), now, random);
  } else {
    (void)latchkey::bench::fill(argv[1], argv[2], static_cast<std::size_t>(count), now, random);
  }
  return 0;
}
