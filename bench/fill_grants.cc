// fill_grants STATE WITNESSES COUNT: an agent's store with that many grants. For
// bench/many_grants.mjs.
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "filled_store.h"
#include "support/fake_random.h"

int main(int argc, char** argv) {
  const long count = argc == 4 ? std::strtol(argv[3], nullptr, 10) : 0;
  if (count < 1) {
    std::fprintf(stderr, "use: fill_grants STATE WITNESSES COUNT\n");
    return 2;
  }
  latchkey::testing::FakeRandom random;
  (void)latchkey::bench::fill(argv[1], argv[2], static_cast<std::size_t>(count),
                              {std::time(nullptr)}, random);
  return 0;
}
