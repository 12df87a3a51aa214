"""A board -> what people read: table, page, figures, dataset card, model cards."""
