#include "minivit/core/thread.hpp"

#include <doctest/doctest.h>
#include <pthread.h>

#include "support/message_of.hpp"

using namespace minivit;

TEST_CASE("start_thread runs a function and joins") {
  int done = 0;
  {
    const std::jthread thread = start_thread([&] { done = 1; });
  }
  CHECK(done == 1);
}

TEST_CASE("a thread that cannot start is an error in words") {
  pthread_attr_t before, huge;
  REQUIRE(pthread_getattr_default_np(&before) == 0);
  REQUIRE(pthread_getattr_default_np(&huge) == 0);
  REQUIRE(pthread_attr_setstacksize(&huge, std::size_t{1} << 50) == 0);  // more than can be mapped
  REQUIRE(pthread_setattr_default_np(&huge) == 0);
  const std::string message = message_of<Error>([] { const std::jthread thread = start_thread([] {}); });
  REQUIRE(pthread_setattr_default_np(&before) == 0);
  pthread_attr_destroy(&huge);
  pthread_attr_destroy(&before);
  CHECK(message.starts_with("cannot start a thread: Resource temporarily unavailable; ask for fewer"));
}
