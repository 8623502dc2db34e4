"""`python -m services …`"""

import sys

from services.cli import configure_logging, main

configure_logging()
sys.exit(main())
