"""SQL statements: the Statement Execution API on the warm Spark."""
